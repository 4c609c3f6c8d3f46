"""Runs far below the others of their arm, and how often that may happen in further runs."""

from collections.abc import Mapping

import numpy as np
from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs]

FAR = 8.0  # robust standard deviations
MARGINS = 5.0


def find_collapses(scores: Mapping[str, np.ndarray], margin: float | None) -> dict[str, np.ndarray]:
    """Find collapsed runs: those far below the upper quartile of their arm.

    upper quartile - score > max(8 * 1.4826 * median |score - median of its arm|, 5 margins), the median over the runs
    of all arms. The upper quartile is that of the runs that did not collapse even where most of them did.

    Args:
        scores: label -> (n,) scores, higher is better, -inf for a diverged run.
        margin: > 0, or None: without one the second bound is 0.

    Returns:
        Label -> (n,) bool.
    """
    if not scores:
        return {}
    within = [np.abs(values - np.median(values)) for values in scores.values() if np.isfinite(np.median(values))]
    scale = 1.4826 * float(np.median(np.concatenate(within))) if within else 0.0
    bound = max(FAR * scale, MARGINS * (margin or 0.0))
    tops = {label: np.quantile(values, 0.75, method="higher") for label, values in scores.items()}
    return {label: ~(values >= tops[label] - bound) for label, values in scores.items()}


def collapse_bound(k: int, n: int) -> float:
    """Upper 95 % bound of the chance that a run collapses, after k of n did: Clopper and Pearson, one-sided.

    The p with P(at most k of n) = 5 %: 1 - 0.05^(1/n) for k = 0.

    Args:
        k: runs that collapsed, 0..n.
        n: runs, >= 1.

    Returns:
        0..1: 31 % after 0 of 8.

    Raises:
        ValueError: if k is not within 0..n, or n < 1.

    Reference:
        Clopper and Pearson 1934, The Use of Confidence or Fiducial Limits.
    """
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"k must be within 0..n and n >= 1, got {k} of {n}")
    return 1.0 if k == n else float(betaincinv(k + 1, n - k, 0.95))
