"""Losses between real numbers or vectors and what was predicted of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional as F

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, same_shape, smallest_norm

__all__ = ["L1", "MSE", "CosineDistance", "Huber", "SmoothL1", "cosine_distance", "huber", "l1", "mse", "smooth_l1"]


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Absolute error: its minimum is the conditional median, which outliers hardly move.

    L = mean_k |o_k - t_k|

    Args:
        output: (batch,) or (batch, K), any real values.
        target: the same shape, floating.

    Returns:
        (batch,) values >= 0 in the unit of the target, means over the K numbers of an example.

    Raises:
        ValueError: shapes that differ, or integers.

    When to use:
        A median is wanted, or single values may be far off.

    Pitfalls:
        Its slope never shrinks: lower the learning rate towards the end, or it keeps stepping over the optimum.

    Reference:
        torch.nn.L1Loss.
    """
    return _mean(F.l1_loss(*same_shape(output, target), reduction="none"))


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error: its minimum is the conditional mean.

    L = mean_k (o_k - t_k)^2

    Args:
        output: (batch,) or (batch, K), any real values.
        target: the same shape, floating.

    Returns:
        (batch,) values >= 0 in the squared unit of the target, means over the K numbers of an example.

    Raises:
        ValueError: shapes that differ, or integers.

    When to use:
        A mean is wanted, and errors are of about one size.

    Pitfalls:
        One value ten times as far off as the others weighs a hundred times as much.

    Reference:
        torch.nn.MSELoss.
    """
    return _mean(F.mse_loss(*same_shape(output, target), reduction="none"))


def huber(output: Tensor, target: Tensor, *, delta: Number = 1.0) -> Tensor:
    """Squared near the target, absolute far from it: between the mean and the median.

    L = mean_k h(o_k - t_k), h(e) = e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2)

    Args:
        output: (batch,) or (batch, K), any real values.
        target: the same shape, floating.
        delta: > 0, in the unit of the target; 1 by custom.

    Returns:
        (batch,) values >= 0, means over the K numbers of an example.

    Raises:
        ValueError: shapes that differ, or integers.

    When to use:
        As `mse` near the optimum, as `l1` far from it.

    Pitfalls:
        delta has the unit of the target: standardise the target, or set it. delta times `smooth_l1` at beta = delta.

    Reference:
        Huber 1964, Robust Estimation of a Location Parameter, section 2; torch.nn.HuberLoss.
    """
    o, t = same_shape(output, target)
    if not isinstance(delta, Tensor):
        return _mean(F.huber_loss(o, t, delta=delta, reduction="none"))
    return _mean(F.huber_loss(o / delta, t / delta, reduction="none")) * delta**2  # torch takes no tensor as delta


def smooth_l1(output: Tensor, target: Tensor, *, beta: Number = 1.0) -> Tensor:
    """Absolute error with a rounded corner: `huber` divided by its threshold.

    L = mean_k s(o_k - t_k), s(e) = e^2 / (2 beta) for |e| < beta, else |e| - beta / 2

    Args:
        output: (batch,) or (batch, K), any real values.
        target: the same shape, floating.
        beta: > 0, in the unit of the target; 1 in the paper.

    Returns:
        (batch,) values >= 0 in the unit of the target, means over the K numbers of an example.

    Raises:
        ValueError: shapes that differ, or integers.

    When to use:
        As `huber`, with slopes of at most 1.

    Pitfalls:
        beta has the unit of the target. At beta towards 0 it is `l1`.

    Reference:
        Girshick 2015, Fast R-CNN, arXiv 1504.08083, eq. 3; torch.nn.SmoothL1Loss.
    """
    o, t = same_shape(output, target)
    if not isinstance(beta, Tensor):
        return _mean(F.smooth_l1_loss(o, t, beta=beta, reduction="none"))
    return _mean(F.smooth_l1_loss(o / beta, t / beta, reduction="none")) * beta


def cosine_distance(output: Tensor, target: Tensor) -> Tensor:
    """One minus the cosine between the predicted and the actual vector: only the direction counts, and its sign does.

    L = 1 - <o, t> / (||o|| ||t||). Not 1 - |cos|, which is 0 for opposite vectors too. The 1 changes no gradient; it
    makes the optimum 0.

    Args:
        output: (batch, D), any real values.
        target: (batch, D), floating.

    Returns:
        (batch,) values within [0, 2] up to rounding: one minus a cosine. 1e-8 (float16: 1e-3) is the least norm.

    Raises:
        ValueError: shapes that differ, integers, or numbers where vectors are due.

    When to use:
        Directions are to be predicted and lengths do not count.

    Pitfalls:
        1 - mean |cos|, which looks alike, is 0 for opposite vectors too. The gradient shrinks as 1 over the length of
        the output.

    Reference:
        torch.nn.CosineSimilarity.
    """
    o, t = same_shape(output, target, dimensions=2)
    return 1 - F.cosine_similarity(o, t, dim=-1, eps=smallest_norm(output))


def _mean(values: Tensor) -> Tensor:
    """Mean over all but the first dimension: (batch, ...) -> (batch,)."""
    return values.flatten(1).mean(1) if values.ndim > 1 else values


REGRESSION = ("regression", "vectors")


@final
@dataclass(eq=False)
class L1(Loss):
    """See `l1`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(l1)
    tasks: ClassVar[tuple[str, ...]] = REGRESSION


@final
@dataclass(eq=False)
class MSE(Loss):
    """See `mse`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(mse)
    tasks: ClassVar[tuple[str, ...]] = REGRESSION


@final
@dataclass(eq=False)
class Huber(Loss):
    """See `huber`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(huber)
    tasks: ClassVar[tuple[str, ...]] = REGRESSION

    delta: float = 1.0


@final
@dataclass(eq=False)
class SmoothL1(Loss):
    """See `smooth_l1`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(smooth_l1)
    tasks: ClassVar[tuple[str, ...]] = REGRESSION

    beta: float = 1.0


@final
@dataclass(eq=False)
class CosineDistance(Loss):
    """See `cosine_distance`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosine_distance)
    tasks: ClassVar[tuple[str, ...]] = ("vectors",)
