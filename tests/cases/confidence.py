"""Losses that change how sure a classifier becomes."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import cross_entropy, softmax


def _focal(row: np.ndarray, y: int, gamma: float = 2.0, weight: list[float] | None = None) -> float:
    p = float(softmax(row)[y])
    return -(weight or [1.0] * len(row))[y] * (1 - p) ** gamma * math.log(p)


def _confidence_penalty(row: np.ndarray, y: int, beta: float = 0.1) -> float:
    return cross_entropy(row, y) - beta * -float(sum(p * math.log(p) for p in softmax(row)))


def _logit_penalty(row: np.ndarray, y: int, beta: float = 6e-4) -> float:
    return cross_entropy(row, y) + beta * float(sum(z * z for z in row))


def _logit_norm(row: np.ndarray, y: int, temperature: float = 0.04) -> float:
    return cross_entropy(row / math.sqrt(sum(z * z for z in row) + 1e-12) / temperature, y)


CASES = (
    Case(
        "focal",
        losses.Focal,
        losses.focal,
        _focal,
        ({}, {"gamma": 0}, {"gamma": 0.5}, {"gamma": 1.0, "weight": [1.0, 2.0, 0.5, 0.0, 3.0]}),
        {"gamma": [0.0, 0.5, 2.0, 5.0]},
    ),
    Case(
        "confidence_penalty",
        losses.ConfidencePenalty,
        losses.confidence_penalty,
        _confidence_penalty,
        ({}, {"beta": 0.0}, {"beta": 2.0}),
        {"beta": [0.0, 0.1, 1.0]},
    ),
    Case(
        "logit_penalty",
        losses.LogitPenalty,
        losses.logit_penalty,
        _logit_penalty,
        ({}, {"beta": 0.0}, {"beta": 0.5}),
        {"beta": [0.0, 6e-4, 0.1]},
        shift_invariant=False,
    ),
    Case(
        "logit_norm",
        losses.LogitNorm,
        losses.logit_norm,
        _logit_norm,
        ({}, {"temperature": 1.0}),
        {"temperature": [0.04, 0.2, 1.0]},
        shift_invariant=False,
    ),
)
