"""The classic losses of one class among several: cross-entropy, Brier score, hinge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.losses.base import ClassWeighted, Loss
from lossbench.losses.values import Number, Numbers, negative, of_classes, pick, scores

__all__ = [
    "NLL",
    "CrossEntropy",
    "MultiMargin",
    "SoftmaxMSE",
    "cross_entropy",
    "multi_margin",
    "nll",
    "softmax_mse",
]


def cross_entropy(logits: Tensor, target: Tensor, *, weight: Numbers = None, label_smoothing: Number = 0.0) -> Tensor:
    """Cross-entropy: the negative log-probability of the true class.

    L = -(1 - s) w_y log p_y - s / C sum_c w_c log p_c with p = softmax(logits), s = label_smoothing.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        weight: C numbers >= 0, one for each class; None weighs all by 1.
        label_smoothing: within [0, 1); 0.1 in the paper.

    Returns:
        (batch,) values >= 0 in nats. The mean of a weighted loss over indices divides by sum(w_y), as torch does.

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each class.

    When to use:
        The first choice, and what others are compared with: its pull on the true class's logit is 1 - p_y, at most 1,
        and full on every example that is wrong.

    Pitfalls:
        A wrong label pulls as hard as a right one. With label_smoothing s the loss is least at p_y = 1 - s + s / C,
        0.91 for s = 0.1 and 10 classes, and rises from there.

    Reference:
        Szegedy et al. 2016, Rethinking the Inception Architecture, section 7 (label smoothing).
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    if weight is not None:
        log_p = log_p * of_classes("weight", weight, log_p)
    value = negative(log_p, target)
    if not isinstance(label_smoothing, Tensor) and label_smoothing == 0:
        return value
    return (1 - label_smoothing) * value - label_smoothing * log_p.mean(-1)


def nll(logits: Tensor, target: Tensor, *, weight: Numbers = None) -> Tensor:
    """Negative log-likelihood: torch's nll_loss behind a log-softmax, which is cross-entropy without smoothing.

    L = -w_y log p_y with p = softmax(logits)

    Args:
        logits: (batch, C), any real values; log-probabilities are logits too, which the log-softmax leaves as they are.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        weight: C numbers >= 0, one for each class; None weighs all by 1.

    Returns:
        (batch,) values >= 0 in nats. The mean of a weighted loss over indices is sum(-w_y log p_y) / sum(w_y).

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each class.

    When to use:
        Cross-entropy with a weight for each class that divides the mean too, as torch has it.

    Pitfalls:
        Weights change what a softmax of the outputs means: calibrate, or judge by balanced accuracy.

    Reference:
        torch.nn.NLLLoss.
    """
    return cross_entropy(logits, target, weight=weight)


def softmax_mse(logits: Tensor, target: Tensor) -> Tensor:
    """Squared distance between probabilities and one-hot target: bounded, and flat where the model is badly wrong.

    L = 1/C sum_c (p_c - [c = y])^2 with p = softmax(logits): the Brier score divided by C.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities t: the expected loss, with the gradient
            of (p - t)^2.

    Returns:
        (batch,) values within [0, 2 / C], without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which some are wrong: the loss is bounded, as the Brier score is.

    Pitfalls:
        At chance with 1,000 classes the pull is 0.000002, that of cross-entropy 0.999: learning rates for cross-entropy
        do nothing. Sweep the learning rate over powers of ten.

    Reference:
        Brier 1950, eq. 2; torch.nn.MSELoss on softmax and one-hot.
    """
    p = torch.softmax(scores(logits, target), -1)
    if not target.is_floating_point():
        index = target.unsqueeze(-1)
        # p - one_hot without the one-hot matrix that mse_loss needs
        error = p.scatter_add(-1, index, torch.full_like(index, -1, dtype=p.dtype))
        with torch.autocast(p.device.type, enabled=False):  # autocast takes vecdot for a matrix product
            return torch.linalg.vecdot(error, error) / p.shape[-1]
    soft = target.to(p.dtype)
    return (F.mse_loss(p, soft, reduction="none") + soft * (1 - soft)).mean(-1)


def multi_margin(logits: Tensor, target: Tensor, *, margin: Number = 1.0, p: Number = 1) -> Tensor:
    """Multi-class hinge loss: zero once the true class is ahead of every other by the margin.

    L = 1/C sum_{c != y} max(0, margin - z_y + z_c)^p

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities, which take C times the memory.
        margin: > 0; 1 in the paper.
        p: 1 or 2.

    Returns:
        (batch,) values >= 0, in units of the logits to the power of p.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Where only the order of classes counts and no probability is needed.

    Pitfalls:
        It is exactly 0 once the true class is ahead by the margin: such examples pull no more, and a softmax of the
        outputs means nothing until it is calibrated.

    Reference:
        Crammer & Singer 2001 (they take the worst class, torch.nn.MultiMarginLoss the mean over C); Weston & Watkins
        1999, section 3.
    """
    z = scores(logits, target)
    if target.is_floating_point():
        # (batch, C): C times the loss if that class were true, and what that class adds itself
        hinges = torch.relu(margin - z.unsqueeze(-1) + z.unsqueeze(-2)).pow(p).sum(-1)
        return pick(hinges - _own(margin, p, z), target) / z.shape[-1]
    hinges = torch.relu(margin - z.gather(-1, target.unsqueeze(-1)) + z).pow(p)
    return (hinges.sum(-1) - _own(margin, p, z)) / z.shape[-1]


def _own(margin: Number, p: Number, z: Tensor) -> Number:
    """What the true class adds to a sum over all classes: its own margin."""
    return torch.as_tensor(margin, dtype=z.dtype, device=z.device).pow(p)


@dataclass(eq=False)
class LogLikelihood(ClassWeighted):
    """A class-weighted loss whose mean divides by the weights."""

    def example_weights(self, target: Tensor) -> Tensor | None:
        """Give the weights of the true classes; a mean over class probabilities divides by their number, as torch's."""
        weight = self.arguments()["weight"]
        return None if weight is None or target.is_floating_point() else weight[target]


@final
@dataclass(eq=False)
class CrossEntropy(LogLikelihood):
    """See `cross_entropy`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cross_entropy)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "distribution")

    label_smoothing: float = 0.0


@final
@dataclass(eq=False)
class NLL(LogLikelihood):
    """See `nll`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(nll)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "distribution")


@final
@dataclass(eq=False)
class SoftmaxMSE(Loss):
    """See `softmax_mse`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(softmax_mse)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "distribution")


@final
@dataclass(eq=False)
class MultiMargin(Loss):
    """See `multi_margin`; its outputs are margins, and become probabilities once their scale has been fitted."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(multi_margin)

    margin: float = 1.0
    p: int = 1
