"""What the pure functions of losses share: the checks and casts of outputs and targets, and reductions."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

NO_LABEL = -(2**62)

Number = float | Tensor
"""Type of a hyper-parameter; a tensor when many settings are trained at once."""
Numbers = Sequence[float] | Tensor | None
"""Type of a hyper-parameter with one number for each class; None is its default."""


def scores(logits: Tensor, target: Tensor) -> Tensor:
    """Check shapes and dtypes, and give the logits in at least float32.

    Raises:
        ValueError: the logits are not a floating (batch, classes) tensor, or the target fits neither form.
    """
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(
            "logits must be a floating-point tensor (batch, classes), "
            f"got {logits.dtype} of shape {tuple(logits.shape)}"
        )
    soft = target.is_floating_point()
    if target.shape != (logits.shape if soft else logits.shape[:1]) or not (soft or target.dtype == torch.int64):
        batch, classes = logits.shape
        found = f"{target.dtype} of shape {tuple(target.shape)}"
        raise ValueError(
            f"target must be class indices, int64 ({batch},), or class probabilities, float ({batch}, {classes}), "
            f"got {found}"
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def negative(values: Tensor, target: Tensor) -> Tensor:
    """Minus `pick`: of log-probabilities it is the cross-entropy."""
    if target.is_floating_point():
        return -(target.to(values.dtype) * values).sum(-1)
    # a quarter of gather's time; NO_LABEL, as nll_loss ignores -100 by default
    return F.nll_loss(values, target, reduction="none", ignore_index=NO_LABEL)


def pick(values: Tensor, target: Tensor) -> Tensor:
    """Take the value at the target class, or the mean under a soft target: (batch, classes) -> (batch,)."""
    return -negative(values, target)


def expected(
    function: Callable[[Tensor], Tensor], values: Tensor, target: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Expected loss sum_c t_c w_c function(values_c): (batch, classes) -> (batch,).

    An index costs one evaluation of the function for each example.

    Args:
        function: of numbers, elementwise.
        values: (batch, classes).
        target: (batch,) int64 class indices, or (batch, classes) class probabilities t.
        weight: w of each class, (classes,); None is 1.
    """
    if target.is_floating_point():
        found = function(values)
        return pick(found if weight is None else found * weight, target)
    found = function(pick(values, target))
    return found if weight is None else found * weight[target]


def of_classes(name: str, numbers: Sequence[float] | Tensor, z: Tensor) -> Tensor:
    """Give the numbers of the classes in the dtype and on the device of the outputs: (classes,).

    Args:
        name: how a message calls them.
        numbers: one for each class.
        z: (batch, classes).

    Raises:
        ValueError: there is not one for each class.
    """
    found = torch.as_tensor(numbers, dtype=z.dtype, device=z.device)
    if found.shape != z.shape[-1:]:
        raise ValueError(f"{name} must have one number for each of the {z.shape[-1]} classes, got {tuple(found.shape)}")
    return found


def softplus(u: Tensor) -> Tensor:
    """log(1 + e^u). Above 40 it is u, to the last digit of float64 too, for which torch's own 20 is too low."""
    return F.softplus(u, threshold=40.0)


def same_shape(output: Tensor, target: Tensor, *, dimensions: int | None = None) -> tuple[Tensor, Tensor]:
    """Check that output and target have one shape and floating-point numbers, and give both in at least float32.

    Args:
        output: (batch, ...).
        target: the same shape.
        dimensions: how many they must have; None allows any number from 1.

    Raises:
        ValueError: they differ in shape, are not floating-point, or have another number of dimensions.
    """
    fits = output.shape == target.shape and output.ndim >= 1 and dimensions in (None, output.ndim)
    if not (fits and output.is_floating_point() and target.is_floating_point()):
        wanted = "(batch, ...)" if dimensions is None else f"(batch, {', '.join('D' * (dimensions - 1))})"
        found = f"{output.dtype} of shape {tuple(output.shape)} and {target.dtype} of shape {tuple(target.shape)}"
        raise ValueError(f"output and target must be floating-point tensors of one shape {wanted}, got {found}")
    wide = torch.promote_types(output.dtype, torch.float32)
    return output.to(wide), target.to(wide)


def smallest_norm(output: Tensor) -> float:
    """Floor of a vector's norm, so that the gradient of its cosine fits the output's dtype."""
    return 1e-3 if output.dtype == torch.float16 else 1e-8


def members_of(output: Tensor, target: Tensor, *, members: int, width: int | None = None) -> tuple[Tensor, Tensor]:
    """Check the outputs of pairs or triplets and their targets, and give both in at least float32.

    Args:
        output: (batch, members, D).
        target: (batch,) floats.
        members: 2 of a pair, 3 of a triplet.
        width: the D that is needed; None takes any.

    Raises:
        ValueError: another shape or dtype.
    """
    fits = output.ndim == 3 and output.shape[1] == members and width in (None, output.shape[-1])
    if not fits or not output.is_floating_point():
        wanted = f"(batch, {members}, {width or 'D'})"
        raise ValueError(
            f"output must be a floating-point tensor {wanted}, got {output.dtype} of shape {tuple(output.shape)}"
        )
    if target.shape != output.shape[:1] or not target.is_floating_point():
        raise ValueError(
            f"target must be floats ({len(output)},), +1 or -1, got {target.dtype} of shape {tuple(target.shape)}"
        )
    wide = torch.promote_types(output.dtype, torch.float32)
    return output.to(wide), target.to(wide)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Divide the sum of values that are weighted already by the sum of their weights; 0 where that is 0.

    Args:
        values: (batch,).
        weights: (batch,), >= 0.
    """
    total = weights.sum().to(values.dtype)
    return torch.where(total > 0, values.sum() / torch.where(total > 0, total, 1.0), 0.0)
