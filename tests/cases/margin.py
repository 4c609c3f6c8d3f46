"""Losses of cosines with a margin: the laws give them numbers within [-1, 1], at the extremes -1 and 1 themselves."""

import math

import numpy as np
import torch

from lossbench import losses
from lossbench.losses.case import Case
from tests.cases.naive import Aliases, cross_entropy


def _normalized_softmax(row: np.ndarray, y: int, temperature: float = 0.05) -> float:
    return cross_entropy(np.tanh(row) / temperature, y)


def _cosface(row: np.ndarray, y: int, margin: float = 0.35, scale: float = 64.0) -> float:
    return cross_entropy(scale * (np.tanh(row) - margin * np.eye(len(row))[y]), y)


def _arcface(row: np.ndarray, y: int, margin: float = 0.5, scale: float = 64.0) -> float:
    cos = np.tanh(row)
    angle = math.acos(cos[y])
    cos[y] = math.cos(angle + margin) if angle + margin < math.pi else cos[y] - margin * math.sin(margin)
    return cross_entropy(scale * cos, y)


def _tvmf(row: np.ndarray, y: int, kappa: float = 16.0, scale: float = 16.0) -> float:
    cos = np.tanh(row)
    return cross_entropy(scale * ((1 + cos) / (1 + kappa * (1 - cos)) - 1), y)


ALIASES: Aliases = {"subcenter_arcface": (losses.ArcFace, {})}
CASES = (
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
    Case(
        "adacos",
        losses.AdaCos,
        losses.adacos,
        lambda row, y: cross_entropy(math.sqrt(2) * math.log(len(row) - 1) * np.tanh(row), y),
        shift_invariant=False,
        output=torch.tanh,
    ),
)
