"""Losses: pure functions with one value per example, and modules that hold their hyper-parameters."""

from lossbench.losses.base import Loss
from lossbench.losses.classic import CrossEntropy, cross_entropy
from lossbench.losses.cosine import Cosine, CosineXent, CosineXentHead, cosine, cosine_xent, cosine_xent_head
from lossbench.losses.probability import (
    CosineProb,
    DotProduct,
    Inverse,
    InverseTuned,
    Power,
    cosine_prob,
    dot_product,
    inverse,
    inverse_tuned,
    power,
)

__all__ = [
    "Cosine",
    "CosineProb",
    "CosineXent",
    "CosineXentHead",
    "CrossEntropy",
    "DotProduct",
    "Inverse",
    "InverseTuned",
    "Loss",
    "Power",
    "cosine",
    "cosine_prob",
    "cosine_xent",
    "cosine_xent_head",
    "cross_entropy",
    "dot_product",
    "inverse",
    "inverse_tuned",
    "power",
]
