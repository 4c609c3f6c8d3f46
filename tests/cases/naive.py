"""What naive references share, written from the papers in plain Python: of one row of logits and a class index."""

import math
from typing import Any

import numpy as np

from lossbench import losses

Aliases = dict[str, tuple[type[losses.Loss], dict[str, Any]]]
"""YAMLs that show a loss under another name: its class and the settings that are not its defaults."""


def softmax(row: np.ndarray) -> np.ndarray:
    return np.exp(row) / np.exp(row).sum()


def cross_entropy(row: np.ndarray, y: int, weight: list[float] | None = None, label_smoothing: float = 0.0) -> float:
    target = np.eye(len(row))[y] * (1 - label_smoothing) + label_smoothing / len(row)
    return -float(
        sum(t * w * math.log(p) for t, w, p in zip(target, weight or [1] * len(row), softmax(row), strict=True))
    )
