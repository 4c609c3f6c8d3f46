"""Losses for wrong labels."""

import math

import numpy as np
from scipy.optimize import brentq

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import Aliases, cross_entropy, softmax

TERMS = {"nce_mae": {"active", "passive"}}
ALIASES: Aliases = {"nce_rce": (losses.NCEMAE, {"passive_weight": 9.21034})}
MATRIX = [
    [0.7, 0.1, 0.1, 0.1, 0.0],
    [0.0, 0.6, 0.4, 0.0, 0.0],
    [0.1, 0.0, 0.8, 0.0, 0.1],
    [0.0, 0.0, 0.0, 1.0, 0.0],
    [0.2, 0.2, 0.0, 0.1, 0.5],
]


def _normalized(row: np.ndarray, y: int) -> float:
    return cross_entropy(row, y) / sum(cross_entropy(row, k) for k in range(len(row)))


def _normalized_focal(row: np.ndarray, y: int, gamma: float = 0.5) -> float:
    each = [-((1 - p) ** gamma) * math.log(p) for p in softmax(row)]
    return float(each[y] / sum(each))


def _nce_mae(row: np.ndarray, y: int, active_weight: float = 1.0, passive_weight: float = 1.0) -> float:
    return active_weight * _normalized(row, y) + passive_weight * abs(np.eye(len(row))[y] - softmax(row)).sum() / 2


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def _jensen_shannon(row: np.ndarray, y: int, label_weight: float = 0.5) -> float:
    label, p, w = np.eye(len(row))[y], softmax(row), label_weight
    m = w * label + (1 - w) * p
    return (w * _kl(label, m) + (1 - w) * _kl(p, m)) / (-(1 - w) * math.log(1 - w))


def _taylor(row: np.ndarray, y: int, order: int = 2) -> float:
    return sum(float(1 - softmax(row)[y]) ** i / i for i in range(1, order + 1))


def _bootstrap_soft(row: np.ndarray, y: int, beta: float = 0.95) -> float:
    p = softmax(row)
    return -float(sum((beta * np.eye(len(row))[y] + (1 - beta) * p) * np.log(p)))


def _bootstrap_hard(row: np.ndarray, y: int, beta: float = 0.8) -> float:
    target = beta * np.eye(len(row))[y] + (1 - beta) * np.eye(len(row))[int(row.argmax())]
    return -float(sum(target * np.log(softmax(row))))


def _log_t(x: float, t: float) -> float:
    return math.log(x) if t == 1 else (x ** (1 - t) - 1) / (1 - t)


def _exp_t(x: float, t: float) -> float:
    return math.exp(x) if t == 1 else max(0.0, 1 + (1 - t) * x) ** (1 / (1 - t))


def tempered_softmax(row: np.ndarray, t: float) -> list[float]:
    """By bisection instead of the loss's iterations."""

    def excess(normalisation: float) -> float:
        return sum(_exp_t(z - normalisation, t) for z in row) - 1

    largest = float(row.max())
    found = brentq(excess, largest, largest - _log_t(1 / len(row), t) + 1e-9, xtol=1e-14, rtol=1e-15)
    return [_exp_t(z - found, t) for z in row]


def _bi_tempered(row: np.ndarray, y: int, t1: float = 0.8, t2: float = 1.2) -> float:
    p, label = tempered_softmax(row, t2), np.eye(len(row))[y]
    parts = [
        (u * (_log_t(u, t1) - _log_t(q, t1)) if u else 0.0) - (u ** (2 - t1) - q ** (2 - t1)) / (2 - t1)
        for u, q in zip(label, p, strict=True)
    ]
    return float(sum(parts))


def _forward(row: np.ndarray, y: int, matrix: list[list[float]] | None = None) -> float:
    return -math.log(softmax(row) @ np.array(matrix or np.eye(len(row)))[:, y])


def _backward(row: np.ndarray, y: int, matrix: list[list[float]] | None = None) -> float:
    inverse = np.linalg.inv(np.array(matrix or np.eye(len(row))))
    return -float(inverse[y] @ np.log(softmax(row)))


CASES = (
    Case("normalized_cross_entropy", losses.NormalizedCrossEntropy, losses.normalized_cross_entropy, _normalized),
    Case(
        "normalized_focal",
        losses.NormalizedFocal,
        losses.normalized_focal,
        _normalized_focal,
        ({}, {"gamma": 0}, {"gamma": 2.0}),
        {"gamma": [0.0, 0.5, 2.0]},
    ),
    Case(
        "nce_mae",
        losses.NCEMAE,
        losses.nce_mae,
        _nce_mae,
        ({}, {"active_weight": 10.0, "passive_weight": 0.1}, {"active_weight": 0.0}, {"passive_weight": 0}),
        {"active_weight": [0.0, 1.0, 10.0], "passive_weight": [0.0, 1.0, 9.2]},
    ),
    Case(
        "jensen_shannon",
        losses.JensenShannon,
        losses.jensen_shannon,
        _jensen_shannon,
        ({}, {"label_weight": 0.1}, {"label_weight": 0.9}),
        {"label_weight": [0.1, 0.5, 0.9]},
    ),
    Case(
        "taylor_cross_entropy",
        losses.TaylorCrossEntropy,
        losses.taylor_cross_entropy,
        _taylor,
        ({}, {"order": 1}, {"order": 7}),
    ),
    Case(
        "bootstrap_soft",
        losses.BootstrapSoft,
        losses.bootstrap_soft,
        _bootstrap_soft,
        ({}, {"beta": 1.0}, {"beta": 0.7}),
        {"beta": [0.6, 0.95, 1.0]},
    ),
    Case(
        "bootstrap_hard",
        losses.BootstrapHard,
        losses.bootstrap_hard,
        _bootstrap_hard,
        ({}, {"beta": 1.0}, {"beta": 0.6}),
        {"beta": [0.6, 0.8, 1.0]},
    ),
    Case(
        "bi_tempered",
        losses.BiTempered,
        losses.bi_tempered,
        _bi_tempered,
        ({}, {"t1": 1.0, "t2": 1.0}, {"t1": 0.0, "t2": 4.0}, {"t1": 0.5, "t2": 1.0}, {"t1": 1.0, "t2": 1.5}),
        {"t1": [0.0, 0.8, 1.0], "t2": [1.0, 1.2, 4.0]},
    ),
    Case(
        "forward_correction",
        losses.ForwardCorrection,
        losses.forward_correction,
        _forward,
        ({}, {"matrix": MATRIX}, {"matrix": np.eye(5).tolist()}),
    ),
    Case(
        "backward_correction",
        losses.BackwardCorrection,
        losses.backward_correction,
        _backward,
        ({}, {"matrix": MATRIX}, {"matrix": np.eye(5).tolist()}),
    ),
)
