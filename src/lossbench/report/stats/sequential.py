"""How many seeds a verdict needs, and what looking again after adding seeds costs."""

import math

import numpy as np
from scipy.special import stdtr, stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.paired import check_margin
from lossbench.report.stats.sign_flip import PATTERNS, smallest_p

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 1000  # more than that is no advice


def look_factor(look: int) -> float:
    """Factor of a p-value at the k-th look, which bounds the false alarms of looking again after adding seeds.

    The first look at a comparison tests at 5 %. Every further look, after seeds were added, tests at 0.5 %, 0.25 %,
    0.125 %, ...: 1 % halved each time. All looks together stay at 5 % + 0.5 % + 0.25 % + ... <= 6 %, however many there
    are and whenever one stops. A look with too few seeds to call anything better (`reachable`) decides nothing, so it
    costs nothing and is not counted.

    factor = 1 for look 1, 0.05 / (0.01 / 2^(look - 1)) = 10, 20, 40, ... from look 2 on

    Args:
        look: >= 1, how many times this comparison has been judged, this time included.

    Returns:
        A factor >= 1.

    Raises:
        ValueError: if look < 1.
    """
    if look < 1:
        raise ValueError(f"look must be >= 1, got {look}")
    return 1.0 if look == 1 else 5.0 * 2 ** (look - 1)


def least_seeds(comparisons: int, look: int = 1) -> int:
    """Fewest seeds with which a loss that wins on every seed can be called better.

    Smallest n with 2 / 2^n * comparisons * look_factor(look) < 5 %: 6 for one comparison, 8 for six, 9 for nine.

    Args:
        comparisons: >= 1, losses compared with the baseline.
        look: >= 1, as in `look_factor`.

    Returns:
        Seeds, >= 6. Exact up to 16; beyond, the test's smallest p is 0.00001, so that more than 5,000 comparisons *
        look_factor stay undecided with any number of seeds, which `PairedComparison.reachable` gives.

    Raises:
        ValueError: if comparisons or look < 1.
    """
    if comparisons < 1:
        raise ValueError(f"comparisons must be >= 1, got {comparisons}")
    n = 1
    while 2 / 2**n * comparisons * look_factor(look) >= ALPHA:
        n += 1
    return n


def reachable(n: int, comparisons: int, look: int) -> bool:
    """Whether n seeds can give a corrected p < 5 % at all; below that every verdict is "undecided".

    Args:
        n: >= 1, seeds.
        comparisons: >= 1, losses compared with the baseline.
        look: >= 1, as in `look_factor`.

    Returns:
        smallest p of the sign-flip test with n seeds * comparisons * look_factor(look) < 5 %.
    """
    return smallest_p(n) * comparisons * look_factor(look) < ALPHA


def more_seeds(mean: float, sd: float, n: int, margin: float | None, comparisons: int, look: int) -> int | None:
    """Estimate how many more seeds would decide an undecided comparison with a power of 80 %.

    Takes the mean and sd seen so far for the true ones. With N seeds in all, N >= least_seeds(comparisons, look), a = 5
    % / (comparisons * look_factor(look)), se = sd / sqrt(N) and F Student's t with N - 1 degrees, the fewest N for
    which one of these is >= 80 %::

        better or worse    F(|mean| / se - t(1 - a/2))
        equivalent         F((margin - mean) / se - t(1 - a)) + F((margin + mean) / se - t(1 - a)) - 1

    Args:
        mean: of the n differences so far.
        sd: their standard deviation, >= 0; nan where it is not known.
        n: >= 1, seeds so far.
        margin: > 0, as in `compare`, or None.
        comparisons: >= 1, losses compared with the baseline.
        look: >= 1, the look that is to decide it.

    Returns:
        Seeds to add, 1..1000; None if more are needed, or sd is nan.

    Raises:
        ValueError: if n, comparisons or look < 1, the margin is not > 0, sd < 0, or the mean is not finite.
    """
    least = least_seeds(comparisons, look)
    if n < 1 or sd < 0 or not math.isfinite(mean) or look < 1:
        raise ValueError(f"n and look must be >= 1, sd >= 0 and mean finite, got {n}, {look}, {sd}, {mean}")
    if margin is not None:
        check_margin(margin)
    if math.isnan(sd):
        return None
    total = np.arange(max(2, n + 1), n + MOST_SEEDS + 1)
    level = ALPHA / (comparisons * look_factor(look))
    found = _power(abs(mean), sd, total, level / 2) >= POWER
    if margin is not None:
        found |= _power(margin - mean, sd, total, level) + _power(margin + mean, sd, total, level) - 1 >= POWER
    found &= (total >= least) & (level > 1 / (PATTERNS + 1))
    return int(total[np.argmax(found)]) - n if found.any() else None


def _power(distance: float, sd: float, total: np.ndarray, level: float) -> np.ndarray:
    """How often a one-sided t test finds a distance with each total of seeds; a distance <= 0 is never found."""
    if distance <= 0 or sd == 0:
        return np.full(total.shape, float(distance > 0))
    return stdtr(total - 1, distance * np.sqrt(total) / sd + stdtrit(total - 1, level))
