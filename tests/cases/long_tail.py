"""Losses for rare classes."""

import math

import numpy as np
import torch

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import Aliases, cross_entropy, softmax

ALIASES: Aliases = {"balanced_softmax": (losses.LogitAdjusted, {"tau": 1.0})}
COUNTS = [1, 20, 5, 100, 3]


def _logit_adjusted(row: np.ndarray, y: int, tau: float = 1.0, class_counts: list[float] | None = None) -> float:
    counts = np.array(class_counts or [1.0] * len(row))
    weights = np.exp(row) * (counts / counts.sum()) ** tau
    return -math.log(weights[y] / weights.sum())


def _weights(counts: list[float] | None, beta: float, classes: int) -> np.ndarray:
    numbers = [(1 - beta**n) / (1 - beta) for n in counts or [1.0] * classes]
    return np.array([1 / n for n in numbers]) * classes / sum(1 / n for n in numbers)


def _class_balanced(row: np.ndarray, y: int, beta: float = 0.9999, class_counts: list[float] | None = None) -> float:
    return _weights(class_counts, beta, len(row))[y] * cross_entropy(row, y)


def _ldam(
    row: np.ndarray,
    y: int,
    max_margin: float = 0.5,
    scale: float = 30.0,
    beta: float = 0.9999,
    class_counts: list[float] | None = None,
) -> float:
    fourth_roots = [1 / math.sqrt(math.sqrt(n)) for n in class_counts or [1.0] * len(row)]
    margin = fourth_roots[y] * max_margin / max(fourth_roots)
    return _weights(class_counts, beta, len(row))[y] * cross_entropy(
        scale * (np.tanh(row) - margin * np.eye(len(row))[y]), y
    )


def _seesaw(
    row: np.ndarray,
    y: int,
    mitigation: float = 0.8,
    compensation: float = 2.0,
    class_counts: list[float] | None = None,
) -> float:
    n, p = class_counts or [1.0] * len(row), softmax(row)
    others = 0.0
    for j, z in enumerate(row):
        if j != y:
            ratio, odds = n[j] / n[y], p[j] / max(p[y], 0.01)
            factor = ratio**mitigation if ratio < 1 else 1.0
            others += factor * (odds**compensation if odds > 1 else 1.0) * math.exp(z)
    return -math.log(math.exp(row[y]) / (math.exp(row[y]) + others))


CASES = (
    Case(
        "logit_adjusted",
        losses.LogitAdjusted,
        losses.logit_adjusted,
        _logit_adjusted,
        ({}, {"class_counts": [1, 20, 5, 100, 3]}, {"class_counts": [0.5, 0.1, 0.2, 0.1, 0.1], "tau": 2.5}),
        {"tau": [0.0, 1.0, 1.5]},
    ),
    Case(
        "class_balanced",
        losses.ClassBalanced,
        losses.class_balanced,
        _class_balanced,
        ({}, {"class_counts": COUNTS}, {"class_counts": COUNTS, "beta": 0.5}, {"class_counts": COUNTS, "beta": 0.0}),
        {"beta": [0.0, 0.9, 0.9999]},
    ),
    Case(
        "ldam",
        losses.LDAM,
        losses.ldam,
        _ldam,
        ({}, {"class_counts": COUNTS}, {"class_counts": COUNTS, "max_margin": 0.0, "scale": 10.0, "beta": 0.9}),
        {"max_margin": [0.0, 0.5, 1.0], "scale": [0.5, 10.0, 64.0], "beta": [0.0, 0.9, 0.9999]},
        shift_invariant=False,
        output=torch.tanh,
    ),
    Case(
        "seesaw",
        losses.Seesaw,
        losses.seesaw,
        _seesaw,
        ({}, {"class_counts": COUNTS}, {"class_counts": COUNTS, "mitigation": 0.0, "compensation": 0.5}),
        {"mitigation": [0.0, 0.8, 2.0], "compensation": [0.0, 0.5, 2.0]},
    ),
)
