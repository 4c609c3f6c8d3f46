"""Cross-entropy adjusted by the classes' frequencies."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case


def _logit_adjusted(row: np.ndarray, y: int, tau: float = 1.0, class_counts: list[float] | None = None) -> float:
    counts = np.array(class_counts or [1.0] * len(row))
    weights = np.exp(row) * (counts / counts.sum()) ** tau
    return -math.log(weights[y] / weights.sum())


CASES = (
    Case(
        "logit_adjusted",
        losses.LogitAdjusted,
        losses.logit_adjusted,
        _logit_adjusted,
        ({}, {"class_counts": [1, 20, 5, 100, 3]}, {"class_counts": [0.5, 0.1, 0.2, 0.1, 0.1], "tau": 2.5}),
        {"tau": [0.0, 1.0, 1.5]},
    ),
)
