"""One loss over its seeds: means, intervals, and averages that one bad seed cannot move."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]
from scipy.stats import trim_mean  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

SAME = 1e-12  # relative; values closer than that differ by rounding only and have variance 0


@dataclass(frozen=True)
class Summary:
    """One loss over n seeds, in the unit of the values; sd (with n - 1), low and high are nan for n = 1."""

    n: int
    mean: float
    sd: float
    low: float  # 95 % t interval of the mean
    high: float
    median: float
    iqm: float  # interquartile mean


def summarise(values: np.ndarray) -> Summary:
    """Summarise the scores of one loss over its seeds.

    With v the sorted values and g = floor(n / 4)::

        sd         sqrt(sum (v - mean)^2 / (n - 1))
        low, high  mean -+ t(0.975, n - 1) sd / sqrt(n)
        iqm        mean of v[g : n - g], the 25 % trimmed mean; the plain mean for n < 4

    Args:
        values: (n,) one value per seed, any real numbers, n >= 1.

    Returns:
        The summary, in the unit of the values; values that differ by rounding only have sd 0 and an interval that is a
        point.

    Raises:
        ValueError: on a shape other than (n,) with n >= 1, a NaN or an infinity.

    Reference:
        Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice, section 4.3 (iqm).
    """
    values = checked(values)
    low, high = t_interval(values) if len(values) > 1 else (math.nan, math.nan)
    iqm = float(trim_mean(values, 0.25))
    return Summary(len(values), float(values.mean()), deviation(values), low, high, float(np.median(values)), iqm)


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval: holds the mean over all possible seeds in 95 % of such studies.

    mean -+ t((1 + level) / 2, n - 1) sd / sqrt(n)

    Args:
        values: (n,) one value per seed, any real numbers, n >= 2.
        level: how often the interval is to hold the mean, 0..1, both excluded.

    Returns:
        Lower and upper end, in the unit of the values; both are the mean where values differ by rounding only.

    Raises:
        ValueError: on a shape other than (n,) with n >= 2, a NaN or an infinity, or a level that is not within 0..1.

    Reference:
        Student 1908, The Probable Error of a Mean.
    """
    values = checked(values, least=2)
    if not 0 < level < 1:
        raise ValueError(f"level must be > 0 and < 1, got {level}")
    n, mean = len(values), float(values.mean())
    half = float(stdtrit(n - 1, (1 + level) / 2)) * deviation(values) / math.sqrt(n)
    return mean - half, mean + half


def deviation(values: np.ndarray) -> float:
    """Standard deviation over seeds: sqrt(sum (v - mean)^2 / (n - 1)).

    Args:
        values: (n,) finite numbers, n >= 1.

    Returns:
        A number >= 0 in the unit of the values: 0 where they differ by less than 1e-12 of the largest, nan for n = 1.
    """
    if len(values) == 1:
        return math.nan
    return 0.0 if np.ptp(values) <= SAME * np.abs(values).max() else float(values.std(ddof=1))


def checked(values: np.ndarray, least: int = 1) -> np.ndarray:
    """Convert values to (n,) float64; ValueError unless they are finite and n >= least."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < least:
        raise ValueError(f"values must have shape (n,) with n >= {least}, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(
            f"values must be finite, got {values[~np.isfinite(values)][0]} at {int(np.argmin(np.isfinite(values)))}"
        )
    return values
