"""Losses of the cosine between output and true class."""

import math

import numpy as np

from lossbench import losses
from lossbench.losses.case import Case
from lossbench.losses.outputs import HeadOutput
from tests.cases.naive import cross_entropy

LOGIT_SHARE = 0.5  # stands in for the head: its logits are half the embedding
TERMS = {"cosine_xent": {"cosine", "xent"}, "cosine_xent_head": {"cosine", "xent"}}


def _cosine(row: np.ndarray, y: int) -> float:
    return float(1 - row[y] / math.sqrt(sum(row**2)))


def _cosine_xent(row: np.ndarray, y: int, xent_weight: float = 0.1, scale: float = 1.0) -> float:
    return _cosine(row, y) + xent_weight * cross_entropy(scale * row / math.sqrt(sum(row**2)), y)


def _cosine_xent_head(row: np.ndarray, y: int, xent_weight: float = 0.1) -> float:
    return _cosine(row, y) + xent_weight * cross_entropy(LOGIT_SHARE * row, y)


CASES = (
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
