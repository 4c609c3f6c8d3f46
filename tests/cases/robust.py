"""Variations of cross-entropy."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import cross_entropy, softmax

TERMS = {"symmetric_cross_entropy": {"xent", "reverse"}, "squentropy": {"xent", "square"}}


def _poly1(row: np.ndarray, y: int, epsilon: float = 2.0) -> float:
    p = float(softmax(row)[y])
    return -math.log(p) + epsilon * (1 - p)


def _symmetric(
    row: np.ndarray, y: int, xent_weight: float = 0.1, reverse_weight: float = 1.0, log_zero: float = -4.0
) -> float:
    p, log_target = softmax(row), [0.0 if c == y else log_zero for c in range(len(row))]
    return -xent_weight * math.log(p[y]) - reverse_weight * float(sum(p * log_target))


def _mae_prob(row: np.ndarray, y: int) -> float:
    return float(abs(np.eye(len(row))[y] - softmax(row)).sum())


def _squentropy(row: np.ndarray, y: int) -> float:
    return cross_entropy(row, y) + float(sum(z**2 for c, z in enumerate(row) if c != y)) / (len(row) - 1)


CASES = (
    Case(
        "poly1",
        losses.Poly1,
        losses.poly1,
        _poly1,
        ({}, {"epsilon": -1.0}, {"epsilon": 0.0}),
        {"epsilon": [-1.0, 0.0, 2.0]},
    ),
    Case(
        "symmetric_cross_entropy",
        losses.SymmetricCrossEntropy,
        losses.symmetric_cross_entropy,
        _symmetric,
        ({}, {"xent_weight": 6.0, "reverse_weight": 0.1, "log_zero": -6.0}),
        {"xent_weight": [0.0, 0.1, 6.0], "reverse_weight": [0.0, 0.1, 1.0], "log_zero": [-6.0, -4.0, -0.5]},
    ),
    Case("mae_prob", losses.MAEProb, losses.mae_prob, _mae_prob),
    Case("squentropy", losses.Squentropy, losses.squentropy, _squentropy, shift_invariant=False),
)
