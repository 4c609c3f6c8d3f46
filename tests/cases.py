"""One row for each public loss: what it is, what it should compute, and what the laws may try on it."""

import math
from typing import Any

import numpy as np
import torch

from lossbench import losses
from lossbench.losses.case import Case
from lossbench.losses.outputs import HeadOutput

LOGIT_SHARE = 0.5  # stands in for the head: its logits are half the embedding

# The parts that a loss is the sum of.
TERMS = {
    "cosine_xent": {"cosine", "xent"},
    "cosine_xent_head": {"cosine", "xent"},
    "symmetric_cross_entropy": {"xent", "reverse"},
    "squentropy": {"xent", "square"},
}
# YAMLs that show a loss under another name: its class and the settings that are not its defaults.
ALIASES: dict[str, tuple[type[losses.Loss], dict[str, Any]]] = {
    "label_smoothing": (losses.CrossEntropy, {"label_smoothing": 0.1}),
    "generalized_cross_entropy": (losses.Power, {}),
}


def _softmax(row: np.ndarray) -> np.ndarray:
    return np.exp(row) / np.exp(row).sum()


def _cross_entropy(row: np.ndarray, y: int, weight: list[float] | None = None, label_smoothing: float = 0.0) -> float:
    target = np.eye(len(row))[y] * (1 - label_smoothing) + label_smoothing / len(row)
    return -float(
        sum(t * w * math.log(p) for t, w, p in zip(target, weight or [1] * len(row), _softmax(row), strict=True))
    )


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


def _focal(row: np.ndarray, y: int, gamma: float = 2.0) -> float:
    p = float(_softmax(row)[y])
    return -((1 - p) ** gamma) * math.log(p)


def _poly1(row: np.ndarray, y: int, epsilon: float = 2.0) -> float:
    p = float(_softmax(row)[y])
    return -math.log(p) + epsilon * (1 - p)


def _symmetric(
    row: np.ndarray, y: int, xent_weight: float = 0.1, reverse_weight: float = 1.0, log_zero: float = -4.0
) -> float:
    p, log_target = _softmax(row), [0.0 if c == y else log_zero for c in range(len(row))]
    return -xent_weight * math.log(p[y]) - reverse_weight * float(sum(p * log_target))


def _mae_prob(row: np.ndarray, y: int) -> float:
    return float(abs(np.eye(len(row))[y] - _softmax(row)).sum())


def _squentropy(row: np.ndarray, y: int) -> float:
    return _cross_entropy(row, y) + float(sum(z**2 for c, z in enumerate(row) if c != y)) / (len(row) - 1)


def _logit_adjusted(row: np.ndarray, y: int, tau: float = 1.0, class_counts: list[float] | None = None) -> float:
    counts = np.array(class_counts or [1.0] * len(row))
    weights = np.exp(row) * (counts / counts.sum()) ** tau
    return -math.log(weights[y] / weights.sum())


# The margin losses take cosines: the laws' logits become numbers within [-1, 1], at the extremes -1 and 1 themselves.


def _normalized_softmax(row: np.ndarray, y: int, temperature: float = 0.05) -> float:
    return _cross_entropy(np.tanh(row) / temperature, y)


def _cosface(row: np.ndarray, y: int, margin: float = 0.35, scale: float = 64.0) -> float:
    return _cross_entropy(scale * (np.tanh(row) - margin * np.eye(len(row))[y]), y)


def _arcface(row: np.ndarray, y: int, margin: float = 0.5, scale: float = 64.0) -> float:
    cos = np.tanh(row)
    angle = math.acos(cos[y])
    cos[y] = math.cos(angle + margin) if angle + margin < math.pi else cos[y] - margin * math.sin(margin)
    return _cross_entropy(scale * cos, y)


def _tvmf(row: np.ndarray, y: int, kappa: float = 16.0, scale: float = 16.0) -> float:
    cos = np.tanh(row)
    return _cross_entropy(scale * ((1 + cos) / (1 + kappa * (1 - cos)) - 1), y)


CASES = (
    Case(
        "cross_entropy",
        losses.CrossEntropy,
        losses.cross_entropy,
        _cross_entropy,
        (
            {},
            {"label_smoothing": 0.1},
            {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]},
            {"weight": [1, 2, 0.5, 0, 3], "label_smoothing": 0.3},
        ),
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
    Case(
        "focal", losses.Focal, losses.focal, _focal, ({}, {"gamma": 0}, {"gamma": 0.5}), {"gamma": [0.0, 0.5, 2.0, 5.0]}
    ),
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
    Case(
        "logit_adjusted",
        losses.LogitAdjusted,
        losses.logit_adjusted,
        _logit_adjusted,
        ({}, {"class_counts": [1, 20, 5, 100, 3]}, {"class_counts": [0.5, 0.1, 0.2, 0.1, 0.1], "tau": 2.5}),
        {"tau": [0.0, 1.0, 1.5]},
    ),
    Case(
        "normalized_softmax",
        losses.NormalizedSoftmax,
        losses.normalized_softmax,
        _normalized_softmax,
        ({}, {"temperature": 1.0}),
        {"temperature": [0.05, 0.5, 2.0]},
        shift_invariant=False,
        output=torch.tanh,
    ),
    Case(
        "cosface",
        losses.CosFace,
        losses.cosface,
        _cosface,
        ({}, {"margin": 0.0, "scale": 1.0}, {"margin": 1.2, "scale": 16.0}),
        {"margin": [0.0, 0.35, 1.0], "scale": [0.5, 16.0, 64.0]},
        shift_invariant=False,
        output=torch.tanh,
    ),
    Case(
        "arcface",
        losses.ArcFace,
        losses.arcface,
        _arcface,
        ({}, {"margin": 0.0, "scale": 1.0}, {"margin": 1.5, "scale": 16.0}),
        {"margin": [0.0, 0.5, 1.0], "scale": [0.5, 16.0, 64.0]},
        shift_invariant=False,
        output=torch.tanh,
    ),
    Case(
        "tvmf",
        losses.TvMF,
        losses.tvmf,
        _tvmf,
        ({}, {"kappa": 0.0, "scale": 1.0}, {"kappa": -0.3}),
        {"kappa": [-0.3, 0.0, 4.0, 64.0], "scale": [0.5, 16.0, 64.0]},
        shift_invariant=False,
        output=torch.tanh,
    ),
)


def _bce(row: np.ndarray, y: int, weight: list[float] | None = None) -> float:
    sigmoid = 1 / (1 + np.exp(-row))
    terms = [
        -w * math.log(s if k == y else 1 - s)
        for k, (s, w) in enumerate(zip(sigmoid, weight or [1] * len(row), strict=True))
    ]
    return sum(terms) / len(row)


def _multi_margin(row: np.ndarray, y: int, margin: float = 1.0, p: int = 1) -> float:
    return sum(max(0.0, margin - row[y] + z) ** p for k, z in enumerate(row) if k != y) / len(row)


CASES += (
    Case("nll", losses.NLL, losses.nll, _cross_entropy, ({}, {"weight": [1.0, 2.0, 0.5, 0.0, 3.0]})),
    Case(
        "softmax_mse",
        losses.SoftmaxMSE,
        losses.softmax_mse,
        lambda row, y: float(((_softmax(row) - np.eye(len(row))[y]) ** 2).mean()),
    ),
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
