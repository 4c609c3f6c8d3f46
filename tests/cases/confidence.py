"""Losses that change how sure a classifier becomes."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import softmax


def _focal(row: np.ndarray, y: int, gamma: float = 2.0, weight: list[float] | None = None) -> float:
    p = float(softmax(row)[y])
    return -(weight or [1.0] * len(row))[y] * (1 - p) ** gamma * math.log(p)


CASES = (
    Case(
        "focal",
        losses.Focal,
        losses.focal,
        _focal,
        ({}, {"gamma": 0}, {"gamma": 0.5}, {"gamma": 1.0, "weight": [1.0, 2.0, 0.5, 0.0, 3.0]}),
        {"gamma": [0.0, 0.5, 2.0, 5.0]},
    ),
)
