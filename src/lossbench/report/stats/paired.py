"""One loss against another on the same seeds: size and direction of their paired differences.

A difference is that of one seed, loss minus baseline, turned so that positive is better.
"""

import math

import numpy as np
from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.summary import checked, deviation


def check_margin(margin: float) -> None:
    """Raise ValueError unless the margin is > 0 and finite."""
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be > 0 and finite, got {margin}")


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
