"""Losses of the true class's probability alone."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import Aliases, cross_entropy, softmax

ALIASES: Aliases = {"generalized_cross_entropy": (losses.Power, {})}


def _cosine_prob(row: np.ndarray, y: int, alpha: float = 0.9, beta: float = 1.0) -> float:
    return math.cos(math.pi / 2 * alpha * softmax(row)[y] + beta) - math.cos(math.pi / 2 * alpha + beta)


def _power(row: np.ndarray, y: int, q: float = 0.7) -> float:
    return cross_entropy(row, y) if q == 0 else float((1 - softmax(row)[y] ** q) / q)


CASES = (
    Case(
        "cosine_prob",
        losses.CosineProb,
        losses.cosine_prob,
        _cosine_prob,
        ({}, {"alpha": 0.5, "beta": 0.0}, {"alpha": 2.0, "beta": 0.0}, {"alpha": 1.0, "beta": math.pi / 2}),
        {"alpha": [0.1, 0.9, 1.3], "beta": [0.0, 0.5, 1.0]},
    ),
    Case(
        "power",
        losses.Power,
        losses.power,
        _power,
        ({}, {"q": 0}, {"q": 1.0}, {"q": -0.2}, {"q": -1.0}, {"q": 2.5}),
        {"q": [-1.0, 0.0, 1e-6, 0.7, 1.0]},
    ),
    Case("dot_product", losses.DotProduct, losses.dot_product, lambda row, y: -float(softmax(row)[y])),
    Case("inverse", losses.Inverse, losses.inverse, lambda row, y: float(1 / softmax(row)[y])),
    Case(
        "inverse_tuned",
        losses.InverseTuned,
        losses.inverse_tuned,
        lambda row, y, exponent=0.2: float(softmax(row)[y] ** -exponent),
        ({}, {"exponent": 1.5}),
        {"exponent": [0.1, 0.2, 2.0]},
    ),
)
