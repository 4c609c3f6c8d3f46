"""One row for each public loss: what it is, what it should compute, and what the laws may try on it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from lossbench import losses
from lossbench.outputs import HeadOutput

LOGIT_SHARE = 0.5  # stands in for the head: its logits are half the embedding


@dataclass(frozen=True)
class Case:
    """A loss with a naive reference: one row of logits and a class index to one number."""

    name: str
    module: type[losses.Loss]
    function: Callable[..., Tensor]
    reference: Callable[..., float]
    settings: tuple[dict[str, Any], ...] = ({},)
    sweep: dict[str, list[float]] = field(default_factory=dict)
    shift_invariant: bool = True
    output: Callable[[Tensor], Any] = lambda logits: logits


def _softmax(row: np.ndarray) -> np.ndarray:
    return np.exp(row) / np.exp(row).sum()


def _cross_entropy(row: np.ndarray, y: int, weight: list[float] | None = None, label_smoothing: float = 0.0) -> float:
    target = np.eye(len(row))[y] * (1 - label_smoothing) + label_smoothing / len(row)
    return -float(sum(t * w * math.log(p) for t, w, p in zip(target, weight or [1] * len(row), _softmax(row), strict=True)))


def _cosine_prob(row: np.ndarray, y: int, alpha: float = 0.9, beta: float = 1.0) -> float:
    return math.cos(math.pi / 2 * alpha * _softmax(row)[y] + beta) - math.cos(math.pi / 2 * alpha + beta)


def _power(row: np.ndarray, y: int, q: float = 0.7) -> float:
    return _cross_entropy(row, y) if q == 0 else float((1 - _softmax(row)[y] ** q) / q)


def _cosine(row: np.ndarray, y: int) -> float:
    return float(1 - row[y] / math.sqrt(sum(row**2)))


def _cosine_xent(row: np.ndarray, y: int, xent_weight: float = 0.1, scale: float = 1.0) -> float:
    return _cosine(row, y) + xent_weight * _cross_entropy(scale * row / math.sqrt(sum(row**2)), y)


def _cosine_xent_head(row: np.ndarray, y: int, xent_weight: float = 0.1) -> float:
    return _cosine(row, y) + xent_weight * _cross_entropy(LOGIT_SHARE * row, y)


CASES = (
    Case(
        "cross_entropy",
        losses.CrossEntropy,
        losses.cross_entropy,
        _cross_entropy,
        ({}, {"label_smoothing": 0.1}, {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]}, {"weight": [1, 2, 0.5, 0, 3], "label_smoothing": 0.3}),
        {"label_smoothing": [0.0, 0.1, 0.9]},
    ),
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
    Case("dot_product", losses.DotProduct, losses.dot_product, lambda row, y: -float(_softmax(row)[y])),
    Case("inverse", losses.Inverse, losses.inverse, lambda row, y: float(1 / _softmax(row)[y])),
    Case(
        "inverse_tuned",
        losses.InverseTuned,
        losses.inverse_tuned,
        lambda row, y, exponent=0.2: float(_softmax(row)[y] ** -exponent),
        ({}, {"exponent": 1.5}),
        {"exponent": [0.1, 0.2, 2.0]},
    ),
    Case("cosine", losses.Cosine, losses.cosine, _cosine, shift_invariant=False),
    Case(
        "cosine_xent",
        losses.CosineXent,
        losses.cosine_xent,
        _cosine_xent,
        ({}, {"xent_weight": 0.0}, {"xent_weight": 2.0, "scale": 30.0}),
        {"xent_weight": [0.0, 0.1, 1.0], "scale": [0.5, 1.0, 11.5]},
        shift_invariant=False,
    ),
    Case(
        "cosine_xent_head",
        losses.CosineXentHead,
        losses.cosine_xent_head,
        _cosine_xent_head,
        ({}, {"xent_weight": 0.7}),
        {"xent_weight": [0.0, 0.1, 1.0]},
        shift_invariant=False,
        output=lambda logits: HeadOutput(logits, LOGIT_SHARE * logits),
    ),
)


def _bce(row: np.ndarray, y: int, weight: list[float] | None = None) -> float:
    sigmoid = 1 / (1 + np.exp(-row))
    terms = [-w * math.log(s if k == y else 1 - s) for k, (s, w) in enumerate(zip(sigmoid, weight or [1] * len(row), strict=True))]
    return sum(terms) / len(row)


def _multi_margin(row: np.ndarray, y: int, margin: float = 1.0, p: int = 1) -> float:
    return sum(max(0.0, margin - row[y] + z) ** p for k, z in enumerate(row) if k != y) / len(row)


CASES += (
    Case("nll", losses.NLL, losses.nll, _cross_entropy, ({}, {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]})),
    Case("softmax_mse", losses.SoftmaxMSE, losses.softmax_mse, lambda row, y: float(((_softmax(row) - np.eye(len(row))[y]) ** 2).mean())),
    Case("bce", losses.BCE, losses.bce, _bce, ({}, {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]}), shift_invariant=False),
    Case(
        "multi_margin",
        losses.MultiMargin,
        losses.multi_margin,
        _multi_margin,
        ({}, {"margin": 3.0}, {"p": 2}),
        {"margin": [0.5, 1.0, 3.0], "p": [1, 2]},
    ),
)
