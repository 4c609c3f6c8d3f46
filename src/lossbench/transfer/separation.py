"""How far the classes lie apart in a layer, as one number."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def class_separation(features: Tensor, targets: Tensor) -> float:
    """Say which share of the cosine distances between examples lies between classes, not within them.

    R^2 = 1 - d_within / d_total
    d_within = mean over classes k of mean over m, n of (1 - cos(x_km, x_kn))
    d_total = mean over classes j, k of mean over m, n of (1 - cos(x_jm, x_kn))

    All classes count alike, whatever their number of examples; an example is paired with itself too. The means of unit
    vectors give both without any pair: the mean over m, n of cos(x_jm, x_kn) is the product of the means of j and k.

    Args:
        features: (n, D), n >= 1.
        targets: (n,) class indices; classes without examples do not count.

    Returns:
        A fraction: 0 where classes are no more alike than any examples, 1 where each class is one direction; nan where
        all features have one direction, or are not finite.

    Reference:
        Kornblith et al. 2021, Why Do Better Loss Functions Lead to Less Transferable Features?, arXiv 2010.16402,
        section on class separation; the number of its equation is not checked against the paper.
    """
    unit = F.normalize(features.double(), dim=1)
    _, index, counts = targets.unique(return_inverse=True, return_counts=True)
    means = torch.zeros(len(counts), unit.shape[1], dtype=unit.dtype).index_add_(0, index, unit) / counts[:, None]
    within = 1 - float(means.square().sum(1).mean())
    total = 1 - float(means.mean(0).square().sum())
    return 1 - within / total if total > torch.finfo(unit.dtype).eps * len(unit) else math.nan
