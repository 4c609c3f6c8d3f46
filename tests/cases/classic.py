"""The classic losses: cross-entropy, squares, binary cross-entropy and margins."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import Aliases, cross_entropy, softmax

ALIASES: Aliases = {"label_smoothing": (losses.CrossEntropy, {"label_smoothing": 0.1})}


def _bce(row: np.ndarray, y: int, weight: list[float] | None = None, smoothing: float = 0.0) -> float:
    sigmoid, target = 1 / (1 + np.exp(-row)), np.eye(len(row))[y] * (1 - smoothing) + smoothing / len(row)
    each = zip(sigmoid, target, weight or [1] * len(row), strict=True)
    return sum(-w * (t * math.log(s) + (1 - t) * math.log(1 - s)) for s, t, w in each) / len(row)


def _square(row: np.ndarray, y: int, true_weight: float = 1.0, true_value: float = 1.0) -> float:
    terms = [true_weight * (z - true_value) ** 2 if k == y else z**2 for k, z in enumerate(row)]
    return float(sum(terms)) / len(row)


def _multi_margin(row: np.ndarray, y: int, margin: float = 1.0, p: int = 1) -> float:
    return sum(max(0.0, margin - row[y] + z) ** p for k, z in enumerate(row) if k != y) / len(row)


CASES = (
    Case(
        "cross_entropy",
        losses.CrossEntropy,
        losses.cross_entropy,
        cross_entropy,
        (
            {},
            {"label_smoothing": 0.1},
            {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]},
            {"weight": [1, 2, 0.5, 0, 3], "label_smoothing": 0.3},
        ),
        {"label_smoothing": [0.0, 0.1, 0.9]},
    ),
    Case("nll", losses.NLL, losses.nll, cross_entropy, ({}, {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]})),
    Case(
        "softmax_mse",
        losses.SoftmaxMSE,
        losses.softmax_mse,
        lambda row, y: float(((softmax(row) - np.eye(len(row))[y]) ** 2).mean()),
    ),
    Case(
        "bce",
        losses.BCE,
        losses.bce,
        _bce,
        ({}, {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]}, {"weight": [1, 2, 0.5, 0, 3], "smoothing": 0.1}),
        {"smoothing": [0.0, 0.1, 0.5]},
        shift_invariant=False,
    ),
    Case(
        "square_loss",
        losses.SquareLoss,
        losses.square_loss,
        _square,
        ({}, {"true_weight": 15.0, "true_value": 30.0}),
        {"true_weight": [0.5, 1.0, 15.0], "true_value": [0.5, 1.0, 30.0]},
        shift_invariant=False,
    ),
    Case(
        "multi_margin",
        losses.MultiMargin,
        losses.multi_margin,
        _multi_margin,
        ({}, {"margin": 3.0}, {"p": 2}),
        {"margin": [0.5, 1.0, 3.0], "p": [1, 2]},
    ),
)
