"""How the mean differences of several arms from one baseline vary together."""

import math
from collections.abc import Sequence

import numpy as np

from lossbench.report.stats.differences import Differences, Spread


def correlation(differences: Sequence[Differences], spreads: Sequence[Spread]) -> np.ndarray:
    """Correlation of the estimated mean differences, from their parts by examples and by units, each with its weight.

    It is shrunk towards none by what its own estimate varies: few units give correlations that are too far from each
    other, and the largest |T| would look smaller than it is.

    Args:
        differences: of m arms, on the same columns of examples.
        spreads: theirs.

    Returns:
        (m, m), positive semi-definite; 0 beside a comparison in which nothing varies.
    """
    covariance = _by_units(differences, spreads) + _by_examples(differences, spreads)
    sd = np.sqrt(np.diag(covariance))
    sd[sd == 0] = math.inf
    found = covariance / sd / sd[:, None]
    np.fill_diagonal(found, 1.0)
    return shrink(found, np.array([one.df for one in spreads]))


def shrink(found: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Shrink correlations towards 0 by the share of their squares that sampling alone gives.

    share = sum of (1 - r^2)^2 / df over pairs / sum of r^2 over pairs, at most 1

    Args:
        found: (m, m) correlations.
        df: (m,) degrees of freedom; a pair has the smaller one.

    Returns:
        (m, m).

    Reference:
        Schaefer and Strimmer 2005, A Shrinkage Approach to Large-Scale Covariance Matrix Estimation.
    """
    r2 = found[~np.eye(len(found), dtype=bool)] ** 2
    if not r2.any():
        return found
    pairs = np.minimum(df, df[:, None])[~np.eye(len(found), dtype=bool)]
    share = min(1.0, float(((1 - r2) ** 2 / pairs).sum() / r2.sum()))
    return (1 - share) * found + share * np.eye(len(found))


def _by_units(differences: Sequence[Differences], spreads: Sequence[Spread]) -> np.ndarray:
    """(m, m) covariance by the units that arms share; its diagonal is the part of se^2 that the units give."""
    units = np.unique(np.concatenate([one.units for one in differences]))
    rows = np.zeros((len(differences), len(units)))
    for row, one, its in zip(rows, differences, spreads, strict=True):
        row[np.searchsorted(units, one.units)] = one.means - one.means.mean()
        row *= math.sqrt(its.var_units if its.N else its.se**2) / (np.linalg.norm(row) or 1.0)
    return rows @ rows.T


def _by_examples(differences: Sequence[Differences], spreads: Sequence[Spread]) -> np.ndarray:
    """(m, m) covariance by the examples that arms share; its diagonal is the part of se^2 that the examples give."""
    covariance = np.zeros((len(differences), len(differences)))
    places = [k for k, its in enumerate(spreads) if its.N]
    if places:
        columns = np.stack([_columns(differences[k].examples, spreads[k]) for k in places])
        covariance[np.ix_(places, places)] = columns @ columns.T
    return covariance


def _columns(examples: np.ndarray | None, its: Spread) -> np.ndarray:
    """(N,) centred mean difference of each example, scaled to a sum of squares of var_examples; 0 where not tested."""
    assert examples is not None
    tested = ~np.isnan(examples)
    count = tested.sum(0)
    means = np.where(tested, examples, 0).sum(0, dtype=np.float64) / np.maximum(count, 1)
    centred = np.where(count > 0, means - means[count > 0].mean(), 0.0)
    return centred * math.sqrt(its.var_examples) / (np.linalg.norm(centred) or 1.0)
