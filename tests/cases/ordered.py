"""The losses of classes in order; the laws' logits stand for what each of them takes, of ranks or of classes."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import softmax


def _coral(row: np.ndarray, y: int) -> float:
    """Written as in coral-pytorch, of levels 1 and 0."""
    levels = [1.0] * y + [0.0] * (len(row) - y)
    sigmoid = 1 / (1 + np.exp(-row))
    return -sum(math.log(s) if level else math.log(1 - s) for s, level in zip(sigmoid, levels, strict=False))


def _corn(row: np.ndarray, y: int) -> float:
    """Minus the logarithm of the product of what the class has passed, and of where it stops."""
    s = 1 / (1 + np.exp(-row))
    return -math.log(np.prod(s[:y]) * (1 - s[y] if y < len(row) else 1.0))


def _squared_emd(row: np.ndarray, y: int) -> float:
    p, t = softmax(row), np.eye(len(row))[y]
    return sum((p[: k + 1].sum() - t[: k + 1].sum()) ** 2 for k in range(len(row)))


CASES = (
    Case("coral", losses.Coral, losses.coral, _coral, shift_invariant=False, soft_targets=False, ordered=True),
    Case("corn", losses.Corn, losses.corn, _corn, shift_invariant=False, soft_targets=False, ordered=True),
    Case("squared_emd", losses.SquaredEMD, losses.squared_emd, _squared_emd, ordered=True),
)
