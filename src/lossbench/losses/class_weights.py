"""Weights of classes from how many training examples each has. They take arrays of NumPy and tensors alike."""

from typing import Any

BETA = 0.9999
"""Of `effective_number` where loss.weight=effective: the largest value in the paper."""


def inverse_frequency(counts: Any) -> Any:
    """Weigh each class by the inverse of its share, so that all classes together weigh alike.

    w_c = n / (C n_c) with n = sum_c n_c; the weights of all examples sum to n.

    Args:
        counts: n_c > 0, (C,) floats.

    Returns:
        (C,) weights > 0.

    Reference:
        King & Zeng 2001, Logistic Regression in Rare Events Data, section 3 (weighting); scikit-learn's "balanced".
    """
    return counts.sum() / (len(counts) * counts)


def effective_number(counts: Any, beta: Any = BETA) -> Any:
    """Weigh each class by the inverse of the effective number of its examples, with mean 1.

    w_c is proportional to (1 - beta) / (1 - beta^n_c), and sum_c w_c = C.

    Args:
        counts: n_c > 0, (C,) float64: 1 - beta^n_c loses digits in float32.
        beta: within [0, 1): 0 weighs all classes alike, beta -> 1 by their inverse frequency; the paper tries 0.9,
            0.99, 0.999 and 0.9999.

    Returns:
        (C,) weights > 0.

    Reference:
        Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv 1901.05555, sections 3 and 4.
    """
    weights = (1 - beta) / (1 - beta**counts)
    return weights * (len(counts) / weights.sum())
