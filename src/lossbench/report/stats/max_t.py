"""Several comparisons with one baseline, judged together: step-down max-T with their estimated correlation."""

import math
from functools import lru_cache

import numpy as np
from scipy.special import chdtri, ndtr, stdtr  # pyright: ignore[reportMissingTypeStubs]

from lossbench.seeds import generator

DRAWS = 20_000
MOST_DF = 1000.0  # beyond it t is taken for t with so many degrees
_GRID = np.linspace(-5.5, 5.5, 1101)  # of standard normal values
_FAR = np.concatenate([np.linspace(0, 10, 2001), np.geomspace(10.01, 1e6, 2000)])  # of |t|


class MaxT:
    """Distribution of the largest |t| of a family whose differences are all 0.

    T_i = Z_i / sqrt(chi2_i / df_i), Z normal with the estimated correlation rho, each chi2_i with df_i degrees; two
    denominators correlate as two sample variances do, by rho^2. Tests are compared by their p, since df differ.

    Args:
        correlation: (m, m) of the estimated differences, positive semi-definite.
        df: (m,) degrees of freedom, >= 1.
        absent: comparisons of the family without data, taken as independent of these.

    Reference:
        Westfall and Young 1993, Resampling-Based Multiple Testing; Dunnett 1955, A Multiple Comparison Procedure for
        Comparing Several Treatments with a Control.
    """

    def __init__(self, correlation: np.ndarray, df: np.ndarray, absent: int = 0) -> None:
        m = len(df)
        self.absent = absent
        self.m = m
        normal, other = _normals(m)
        t = normal @ _factor(correlation).T
        spread = other @ _factor(correlation**2).T
        self.side = t > 0
        self.log_p = np.empty_like(t)  # two-sided
        for i, degrees in enumerate(np.minimum(df, MOST_DF).tolist()):
            ratio, tail = _tables(round(degrees, 2))
            self.log_p[:, i] = np.interp(np.abs(t[:, i]) / np.interp(spread[:, i], _GRID, ratio), _FAR, tail)

    def adjust(self, p: np.ndarray, order: np.ndarray, signs: np.ndarray | None = None) -> np.ndarray:
        """Adjust p-values by step-down max-T.

        In the given order: adjusted_k = max over j <= k of P(min over i >= j of P_i <= p_j), within p_j and p_j times
        the number of those i.

        Args:
            p: (m,) raw, 0..1; two-sided, or one-sided with signs.
            order: (m,) places from the smallest to the largest p.
            signs: (m,) the side on which each one-sided test rejects: 1 upwards, -1 downwards.

        Returns:
            (m,) adjusted p, 0..1.
        """
        smallest = np.minimum.accumulate(self._log_p(signs)[:, order[::-1]], axis=1)[:, ::-1]
        sizes = np.arange(self.m, 0, -1)
        adjusted = np.empty(self.m)
        adjusted[order] = np.maximum.accumulate(self._chance(smallest, p[order], sizes))
        return adjusted

    def level(self, alpha: float, signs: np.ndarray | None = None) -> float:
        """Level of a single test at which any of the family rejects with chance alpha (single step)."""
        smallest = np.sort(self._log_p(signs).min(1))
        low, high = alpha / (self.m + self.absent), alpha
        for _ in range(60):
            middle = math.sqrt(low * high)
            share = int(np.searchsorted(smallest, math.log(middle), side="right")) / len(smallest)
            chance = 1 - (1 - min(max(share, middle), self.m * middle, 1)) * (1 - middle) ** self.absent
            low, high = (middle, high) if chance < alpha else (low, middle)
        return low

    def _log_p(self, signs: np.ndarray | None) -> np.ndarray:
        """Two-sided as drawn; one-sided of each draw and of its mirror image, so that both sides are treated alike."""
        if signs is None:
            return self.log_p
        half = self.log_p - np.float32(math.log(2))
        agrees = self.side == (signs > 0)
        return np.concatenate([np.where(agrees, half, np.float32(0)), np.where(agrees, np.float32(0), half)])

    def _chance(self, smallest: np.ndarray, p: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            share = (smallest <= np.log(p)).mean(0)
        share = np.clip(share, p, np.minimum(1, sizes * p))
        return share + (1 - share) * (1 - (1 - p) ** self.absent)


def two_sided(t: np.ndarray, df: np.ndarray | float) -> np.ndarray:
    """Two-sided p of t with df degrees of freedom."""
    return 2 * stdtr(np.minimum(df, MOST_DF), -np.abs(t))


@lru_cache(maxsize=8)
def _normals(m: int) -> tuple[np.ndarray, np.ndarray]:
    stream = generator(0, "max-T", m)
    return tuple(stream.standard_normal((2, DRAWS, m), dtype=np.float32))


def _factor(correlation: np.ndarray) -> np.ndarray:
    """F with F F^T = correlation, which may be singular."""
    values, vectors = np.linalg.eigh(correlation)
    return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)


@lru_cache(maxsize=256)
def _tables(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of sqrt(chi2 / df) at the normal quantiles of the grid, and log two-sided p of t on its grid."""
    ratio = np.sqrt(chdtri(df, ndtr(-_GRID)) / df)
    with np.errstate(divide="ignore"):
        return ratio, np.log(two_sided(_FAR, df))
