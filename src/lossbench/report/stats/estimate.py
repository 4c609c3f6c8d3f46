"""What one paired comparison estimates, before anything is decided."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats import paired
from lossbench.report.stats.collapse import collapse_bound
from lossbench.report.stats.differences import Differences, Spread
from lossbench.report.stats.sequential import ALPHA
from lossbench.report.stats.summary import deviation


@dataclass(frozen=True)
class Estimate:
    """One loss against the baseline over n shared units, in the unit of the score; positive is better.

    Args:
        n: units.
        mean: difference.
        sd: of the units' means; nan for n = 1, as all that needs a variance.
        se: sqrt(var_examples + var_units).
        df: degrees of freedom of se.
        var_examples: the part of se^2 that more units do not lower.
        var_units: the part that the units add.
        p_sign_flip: of the units' means, raw.
        effect_size: mean / sd.
        better_in: share of units and its 95 % interval.
        look: how many times the comparison was judged, this time included.
        nadeau_bengio: their 95 % interval for this comparison alone; None but for folds.
        collapsed: units in which the arm diverged or collapsed.
        collapse_bound: upper 95 % bound of how often it does; "equivalent" is never said without it.
    """

    n: int
    mean: float
    sd: float
    se: float
    df: float
    var_examples: float
    var_units: float
    p_sign_flip: float
    effect_size: float
    better_in: tuple[float, float, float]
    look: int
    nadeau_bengio: tuple[float, float] | None
    collapsed: int
    collapse_bound: float


def estimate(
    differences: Differences,
    its: Spread,
    p_sign_flip: float,
    look: int,
    collapsed: int,
    test_per_train: float | None,
) -> Estimate:
    """Describe the differences of one arm.

    Args:
        differences: of the arm.
        its: spread of them.
        p_sign_flip: of the units' means.
        look: >= 1.
        collapsed: units in which the arm diverged or collapsed, 0..n.
        test_per_train: test examples for each training example, of folds; else None.

    Returns:
        The estimate.
    """
    d, n = differences.means, len(differences.means)
    return Estimate(
        n=n,
        mean=float(d.mean()),
        sd=deviation(d),
        se=its.se,
        df=math.nan if math.isnan(its.se) else its.df,
        var_examples=its.var_examples,
        var_units=its.var_units,
        p_sign_flip=p_sign_flip,
        effect_size=paired.effect_size(d) if n > 1 else math.nan,
        better_in=paired.probability_better(d),
        look=look,
        nadeau_bengio=None if test_per_train is None or n == 1 else _nadeau_bengio(differences, test_per_train),
        collapsed=collapsed,
        collapse_bound=collapse_bound(collapsed, n),
    )


def _nadeau_bengio(differences: Differences, test_per_train: float) -> tuple[float, float]:
    d, R = differences.means, len(differences.means)
    half = float(stdtrit(R - 1, 1 - ALPHA / 2)) * deviation(d) * math.sqrt(1 / R + test_per_train)
    return float(d.mean()) - half, float(d.mean()) + half
