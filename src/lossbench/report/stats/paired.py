"""One loss against another on the same seeds: tests and intervals of their paired differences.

A difference is that of one seed, loss minus baseline, turned so that positive is better.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from scipy.special import ndtri, stdtr  # pyright: ignore[reportMissingTypeStubs]
from scipy.stats import bootstrap  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from lossbench.report.stats.sign_flip import sign_flip_p, sign_flip_ps
from lossbench.report.stats.summary import checked, deviation
from lossbench.seeds import generator

__all__ = [
    "bca_interval",
    "check_margin",
    "effect_size",
    "holm",
    "probability_better",
    "sign_flip_p",
    "sign_flip_ps",
    "tost_p",
]

LEAST_BCA = 20  # with fewer seeds a 95 % BCa interval of a mean covers only 0.85-0.89
RESAMPLES = 9_999


def tost_p(d: np.ndarray, margin: float) -> float:
    """p-value for losses a margin apart or more, small where they are equivalent: two one-sided paired t tests.

    p = max(P(T >= (mean + margin) / se), P(T <= (mean - margin) / se)), T Student's t with n - 1 degrees, se = sd /
    sqrt(n)

    Args:
        d: (n,) differences, any real numbers, n >= 2.
        margin: > 0, the difference that no longer counts as equal, in the unit of d.

    Returns:
        p, 0..1: small means equivalent. Where d differs by rounding only: 0 if |mean| < margin, else 1.

    Raises:
        ValueError: on a shape other than (n,) with n >= 2, a NaN or an infinity, or a margin that is not > 0 and
            finite.

    Reference:
        Schuirmann 1987, A Comparison of the Two One-Sided Tests Procedure and the Power Approach.
    """
    d = checked(d, least=2)
    check_margin(margin)
    mean, error = float(d.mean()), deviation(d) / math.sqrt(len(d))
    if error == 0:
        return 0.0 if abs(mean) < margin else 1.0
    return float(stdtr(len(d) - 1, (abs(mean) - margin) / error))  # the side nearer to its margin has the larger p


def check_margin(margin: float) -> None:
    """Raise ValueError unless the margin is > 0 and finite."""
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be > 0 and finite, got {margin}")


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Correct the p-values of several comparisons: all of them together raise a false alarm at the rate of one.

    With p sorted: adjusted_i = min(1, max over j <= i of (m - j + 1) p_j)

    Args:
        p: (m,) one p per comparison, 0..1; m = 0 is allowed.

    Returns:
        (m,) adjusted p, 0..1, in the order given.

    Raises:
        ValueError: on a shape other than (m,), a NaN, or a p outside 0..1.

    Reference:
        Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    given = np.asarray(p, dtype=np.float64)
    if given.ndim != 1 or not ((given >= 0) & (given <= 1)).all():  # NaN too
        raise ValueError(f"p must have shape (m,) and be within 0..1, got {p}")
    order = np.argsort(given, kind="stable")
    adjusted = np.empty_like(given)
    adjusted[order] = np.maximum.accumulate(np.arange(len(given), 0, -1) * given[order])
    return np.minimum(adjusted, 1)


def effect_size(d: np.ndarray) -> float:
    """Mean difference in units of its standard deviation over seeds: Cohen's d_z = mean / sd.

    Args:
        d: (n,) differences, any real numbers, n >= 2.

    Returns:
        A number without unit; where d differs by rounding only +-inf, or 0 if all are 0.

    Raises:
        ValueError: on a shape other than (n,) with n >= 2, a NaN or an infinity.

    Reference:
        Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, section 2.3.5.
    """
    d = checked(d, least=2)
    mean, sd = float(d.mean()), deviation(d)
    if sd == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / sd


def probability_better(d: np.ndarray) -> tuple[float, float, float]:
    """Share of seeds on which the loss beats the baseline, ties counting half, with Wilson's 95 % interval.

    With q the share and z = 1.96: (q + z^2 / 2n -+ z sqrt(q (1 - q) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Args:
        d: (n,) differences, any real numbers, n >= 1.

    Returns:
        Share and both ends of its interval, 0..1.

    Raises:
        ValueError: on a shape other than (n,) with n >= 1, a NaN or an infinity.

    Reference:
        Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    d = checked(d)
    n, z = len(d), float(ndtri(0.975))
    share = float(((d > 0) + (d == 0) / 2).mean())
    centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = ((centre + side * half) / (1 + z * z / n) for side in (-1, 1))
    # At a share of 0 or 1 that end is exact, and rounding would put it a hair inside.
    return share, max(0.0, min(share, low)), min(1.0, max(share, high))


def bca_interval(d: np.ndarray) -> tuple[float, float] | None:
    """95 % interval of the mean difference without an assumption about its distribution: the BCa bootstrap.

    Ends are quantiles of 9,999 resampled means, moved for their bias and skewness (bias-corrected and accelerated).

    Args:
        d: (n,) differences, any real numbers, n >= 1.

    Returns:
        Lower and upper end in the unit of d, both the mean where d differs by rounding only; None for n < 20, where the
        interval would cover only 85-89 %.

    Raises:
        ValueError: on a shape other than (n,) with n >= 1, a NaN or an infinity.

    Reference:
        Efron 1987, Better Bootstrap Confidence Intervals.
    """
    d = checked(d)
    if len(d) < LEAST_BCA:
        return None
    if deviation(d) == 0:
        return float(d.mean()), float(d.mean())
    stream = generator(0, "bca", len(d))
    # random_state is the name that SciPy before 1.15 has too.
    drawn = cast(Any, bootstrap)((d,), np.mean, n_resamples=RESAMPLES, batch=1000, method="BCa", random_state=stream)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
