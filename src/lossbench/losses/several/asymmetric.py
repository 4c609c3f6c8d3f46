"""The asymmetric loss: labels that do not hold, which are most of them, fade sooner than those that do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import ClassWeighted
from lossbench.losses.several.labels import mean_over_labels
from lossbench.losses.values import Number, Numbers, same_shape, softplus

__all__ = ["Asymmetric", "asymmetric"]

LEAST = 1e-12
"""Least shifted probability: a power below 1 has no finite slope at 0."""


def asymmetric(
    logits: Tensor,
    target: Tensor,
    *,
    gamma_negative: Number = 4.0,
    gamma_positive: Number = 0.0,
    margin: Number = 0.05,
    weight: Numbers = None,
) -> Tensor:
    """Binary cross-entropy in which labels that do not hold fade once they are improbable, and vanish below a margin.

    L = -1/C sum_c w_c (t_c (1 - s_c)^gamma_positive log s_c + (1 - t_c) m_c^gamma_negative log(1 - m_c)) with
    s = sigmoid(logits), m = max(s - margin, 0)

    Args:
        logits: (batch, C), any real values; 0 is a probability of one half.
        target: (batch, C) floats within [0, 1]: t, 1 where the label holds.
        gamma_negative: >= 0; 4 in the paper.
        gamma_positive: >= 0; 0 in the paper.
        margin: within [0, 1); 0.05 in the paper.
        weight: C numbers >= 0, one for each label; None weighs all by 1.

    Returns:
        (batch,) values >= 0 in nats, a mean over labels.

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each label.

    When to use:
        Many labels of which few hold, judged by mean average precision: at a probability of 0.2 a label that does not
        hold pulls 0.0004 where it pulls 0.2 in `bce`, and one that holds pulls 0.8 in both.

    Pitfalls:
        Its outputs are too large as probabilities: where a label holds in half of the examples, the loss is least at
        0.68, and a threshold of one half predicts labels that hold in more than 12 % of the examples. Compare it by
        mean_average_precision, which has no threshold. With gammas and margin 0 it is `bce`.

    Reference:
        Ridnik et al. 2021, Asymmetric Loss For Multi-Label Classification, arXiv 2009.14119, section 2 (the number of
        the equation was not checked against the paper). The authors' code has gamma_positive = 1 by default, sums over
        labels, and may take the focusing factor for a constant of the gradient; here the gradient is the formula's.
    """
    z, t = same_shape(logits, target, dimensions=2)
    of_true = softplus(-z) * torch.exp(-gamma_positive * softplus(z))
    shift = torch.as_tensor(margin, dtype=z.dtype, device=z.device)
    shifted = (torch.sigmoid(z) - shift).clamp_min(LEAST)
    # log(1 - m) = log(sigmoid(-z) + margin), which is finite at margin 0 too
    log_rest = torch.logaddexp(-softplus(z), shift.log()).clamp_max(0.0)
    return mean_over_labels(of_true, -log_rest * shifted**gamma_negative, t, weight)


@final
@dataclass(eq=False)
class Asymmetric(ClassWeighted):
    """See `asymmetric`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(asymmetric)
    tasks: ClassVar[tuple[str, ...]] = ("multi_label",)

    gamma_negative: float = 4.0
    gamma_positive: float = 0.0
    margin: float = 0.05
