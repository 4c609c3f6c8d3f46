"""How fast a loss converges: first step at a level, median time over seeds, area under a curve."""

import numpy as np

from lossbench.report.stats.summary import checked

_ROUNDING = 1e-12  # a product of shares that is 1/2 on paper may come out this much above it


def first_reach(steps: np.ndarray, values: np.ndarray, threshold: float) -> float | None:
    """First step at which a curve is at the threshold or above.

    min {step : value >= threshold}

    Args:
        steps: (n,) finite, rising, n >= 1, in any unit of time.
        values: (n,) higher is better; a NaN, as of a diverged run, is not at the threshold.
        threshold: in the unit of the values.

    Returns:
        A step, or None if the curve never gets there.

    Raises:
        ValueError: on wrong shapes, steps that do not rise, or a threshold that is NaN.
    """
    steps, values = _curve(steps, values)
    if np.isnan(threshold):
        raise ValueError("threshold must be a number, got nan")
    there = np.flatnonzero(values >= threshold)
    return float(steps[there[0]]) if len(there) else None


def censored_median(times: np.ndarray, reached: np.ndarray) -> float | None:
    """Median time to reach a level over seeds, those that stopped before reaching it counted as censored.

    min {t : S(t) <= 1/2}, S(t) = product over times u <= t of (1 - reached at u / still running at u), Kaplan and
    Meier's curve

    Args:
        times: (n,) when a seed got there, or else where it stopped; finite, n >= 1, in any unit.
        reached: (n,) bool, whether it got there.

    Returns:
        One of the times (the lower middle one of an even n without early stops), or None if S stays above 1/2.

    Raises:
        ValueError: on wrong shapes, a time that is not finite, or reached that is not bool.

    Reference:
        Kaplan and Meier 1958, Nonparametric Estimation from Incomplete Observations.
    """
    times, reached = checked(times), np.asarray(reached)
    if reached.dtype != bool or reached.shape != times.shape:
        raise ValueError(f"reached must be bool of shape {times.shape}, got {reached.dtype} {reached.shape}")
    moments, events = np.unique(times[reached], return_counts=True)
    running = len(times) - np.searchsorted(np.sort(times), moments)
    low = np.flatnonzero(np.cumprod(1 - events / running) <= 0.5 + _ROUNDING)
    return float(moments[low[0]]) if len(low) else None


def area_under_curve(steps: np.ndarray, values: np.ndarray) -> float:
    """Mean height of a curve over its steps: higher means better earlier.

    sum of (v_i + v_(i+1)) / 2 * (s_(i+1) - s_i), divided by s_n - s_1

    Args:
        steps: (n,) finite, rising, n >= 1, in any unit of time.
        values: (n,) finite.

    Returns:
        A number in the unit of the values; a single point gives its value.

    Raises:
        ValueError: on wrong shapes, steps that do not rise, a NaN or an infinity.
    """
    steps, values = _curve(steps, values)
    values = checked(values)
    if len(values) == 1:
        return float(values[0])
    return float(((values[1:] + values[:-1]) / 2 * np.diff(steps)).sum() / (steps[-1] - steps[0]))


def _curve(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    steps, values = checked(steps), np.asarray(values, dtype=np.float64)
    if values.shape != steps.shape:
        raise ValueError(f"values must have the shape of steps, {steps.shape}, got {values.shape}")
    if not (np.diff(steps) > 0).all():
        raise ValueError("steps must rise from each to the next")
    return steps, values
