"""The outputs for several labels of each example as their metrics see them."""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from lossbench.metrics.classes import finite


class AveragePrecisions(NamedTuple):
    """The average precision of each label: (K, C); and without each example, (K, C, n), with whether it has a value."""

    value: Tensor
    without: Tensor
    known: Tensor


class Labels:
    """Logits of K runs on one split, of labels any number of which may hold; one above 0 is predicted to.

    Args:
        output: (K, n, C), n >= 1, C >= 1, any real numbers; a run with a NaN or an infinity has NaN for every metric.
        target: (n, C) of all runs, or (K, n, C), each run's own; 1 where the label holds, else 0.

    Raises:
        ValueError: on wrong shapes, or a target that is neither 0 nor 1.
    """

    def __init__(self, output: Tensor, target: Tensor) -> None:
        shape = tuple(output.shape[1:])
        if tuple(target.shape) not in (shape, (len(output), *shape)) or len(shape) != 2 or 0 in shape:
            ours = f"got {shape} and {tuple(target.shape)}"
            raise ValueError(f"output and target must have one shape (n, C) with n >= 1 and C >= 1, {ours}")
        if not ((target == 0) | (target == 1)).all():
            raise ValueError("target must be 0 or 1 for each label")
        self.n = shape[0]
        self.target = target.detach().to(output.device).bool()
        self.output = output.detach() if output.dtype == torch.float64 else output.detach().float()
        self.known = finite(self.output)
        if not self.known.all():
            self.output = self.output.masked_fill(~self.known[:, None, None], 0.0)

    @cached_property
    def predicted(self) -> Tensor:
        """Which labels have a probability above one half: (K, n, C) of bool."""
        return self.output > 0

    @cached_property
    def correct(self) -> Tensor:
        """Whether all labels of an example are right: (K, n) of bool."""
        return (self.predicted == self.target).all(-1)

    @cached_property
    def hits(self) -> Tensor:
        """Which labels are predicted and hold: (K, n, C) float64."""
        return (self.predicted & self.target).double()

    @cached_property
    def sizes(self) -> Tensor:
        """How often each label is predicted or holds: (K, n, C) float64, of 0, 1 and 2."""
        return self.predicted.double() + self.target

    @cached_property
    def average_precisions(self) -> AveragePrecisions:
        """How well each label's examples rank above the others, exactly also without each one of them.

        With m examples that have the label, s_i the scores, N_i how many examples score at least s_i, and P_i how many
        of these have the label: AP = 1/m sum over them of P_i / N_i. To leave out example k takes 1 from N_i, and from
        P_i where k has the label, of all that do not score above k; cumulative sums give every k at once.
        """
        scores = self.output.transpose(1, 2).contiguous()
        holds = self.target.transpose(-1, -2).double().expand_as(scores)
        rising = scores.sort(-1).values
        above = self.n - torch.searchsorted(rising, scores, right=True)  # how many score more than each
        at_least = self.n - torch.searchsorted(rising, scores)
        order = scores.argsort(dim=-1, descending=True)
        positives = holds.gather(-1, order).cumsum(-1).gather(-1, at_least - 1)
        fewer = (at_least - 1).clamp_min(1)
        precision = holds * positives / at_least
        one_less, both_less = holds * positives / fewer, holds * (positives - 1) / fewer
        total = holds.sum(-1, keepdim=True)
        before, below = _sum_before(precision, order, above), _sum_from(one_less, order, above)
        below = torch.where(holds > 0, _sum_from(both_less, order, above) - both_less, below)
        left = total - holds
        return AveragePrecisions(
            (precision.sum(-1) / total[..., 0].clamp_min(1)).where(total[..., 0] > 0, torch.nan),
            (before + below) / left.clamp_min(1),
            left > 0,
        )


def _sum_before(values: Tensor, order: Tensor, place: Tensor) -> Tensor:
    """Sum the values whose rank in an order is below a place: (..., n) each."""
    sums = values.gather(-1, order).cumsum(-1)
    return torch.where(place > 0, sums.gather(-1, (place - 1).clamp_min(0)), 0.0)


def _sum_from(values: Tensor, order: Tensor, place: Tensor) -> Tensor:
    """Sum the values whose rank in an order is the place or beyond: (..., n) each."""
    return values.sum(-1, keepdim=True) - _sum_before(values, order, place)
