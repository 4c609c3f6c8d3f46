"""Several comparisons with one baseline, judged together: step-down max-T with their estimated correlation."""

import math
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import chdtri, ndtr, stdtr  # pyright: ignore[reportMissingTypeStubs]

from lossbench.seeds import generator

DRAWS = 50_000
MOST_DF = 1000.0  # beyond it t is taken for t with so many degrees
_STEP = 0.04  # degrees of freedom of the reference distribution are on a grid of such ratios, so that tables are reused
_BINS = 16_384
_WIDEST = 5.5  # of the standard normal values that are looked up


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
        t = _factor(correlation) @ normal
        spread = _factor(correlation**2) @ other
        self.side = t > 0
        self.log_p = np.empty_like(t)  # two-sided
        for i, step in enumerate(np.rint(np.log(np.minimum(df, MOST_DF)) / _STEP).astype(int).tolist()):
            ratio, tail = _tables(step)
            size = np.abs(t[i]) / ratio[_place(spread[i] / (2 * _WIDEST) + 0.5)]
            self.log_p[i] = tail[_place(size / (1 + size))]

    def two_sided(self) -> "Tests":
        """The tests that reject on either side."""
        return Tests(self.log_p, self.absent)

    def one_sided(self, signs: np.ndarray) -> "Tests":
        """The tests that reject on one side each: (m,) 1 upwards, -1 downwards.

        Each draw counts with its mirror image, so that both sides are treated alike.
        """
        half, nothing = self.log_p - np.float32(math.log(2)), np.float32(0)
        agrees = self.side == (signs > 0)[:, None]
        return Tests(
            np.concatenate([np.where(agrees, half, nothing), np.where(agrees, nothing, half)], axis=1), self.absent
        )


class Tests:
    """The p-values of a family in many draws without any difference.

    Args:
        log_p: (m, draws).
        absent: further tests, independent of these.
    """

    def __init__(self, log_p: np.ndarray, absent: int) -> None:
        self.log_p, self.absent = log_p, absent
        self._levels: dict[float, float] = {}

    def adjust(self, p: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Adjust p-values by step-down max-T.

        In the given order: adjusted_k = max over j <= k of P(min over i >= j of P_i <= p_j), within p_j and p_j times
        the number of those i.

        Args:
            p: (m,) raw, 0..1.
            order: (m,) places from the smallest to the largest p.

        Returns:
            (m,) adjusted p, 0..1.
        """
        smallest, share = np.zeros(self.log_p.shape[1], self.log_p.dtype), np.empty(len(p))
        with np.errstate(divide="ignore"):
            bounds = np.log(p)
        for k in order[::-1].tolist():
            np.minimum(smallest, self.log_p[k], out=smallest)
            share[k] = np.count_nonzero(smallest <= bounds[k]) / len(smallest)
        sizes, adjusted = np.arange(len(p), 0, -1), np.empty(len(p))
        adjusted[order] = np.maximum.accumulate(self._any(share[order], p[order], sizes))
        return adjusted

    @cached_property
    def smallest(self) -> np.ndarray:
        """(draws,) the smallest log p of each draw, rising."""
        return np.sort(self.log_p.min(0))

    def level(self, alpha: float) -> float:
        """Level of a single test at which any of the family rejects with chance alpha (single step)."""
        if alpha not in self._levels:
            self._levels[alpha] = self._find_level(alpha)
        return self._levels[alpha]

    def _find_level(self, alpha: float) -> float:
        m = np.array([len(self.log_p)])
        low, high = alpha / (m[0] + self.absent), alpha
        for _ in range(30):
            middle = np.sqrt(low * high)
            share = np.searchsorted(self.smallest, np.log([middle]), side="right") / len(self.smallest)
            rejects = self._any(share, np.array([middle]), m)[0] >= alpha
            low, high = (low, middle) if rejects else (middle, high)
        return float(low)

    def _any(self, share: np.ndarray, p: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Chance that any of the tests has p or less, from the share of draws in which one of those present has."""
        share = np.clip(share, p, np.minimum(1, sizes * p))
        return share + (1 - share) * (1 - (1 - p) ** self.absent)


def two_sided(t: np.ndarray, df: np.ndarray | float) -> np.ndarray:
    """Two-sided p of t with df degrees of freedom."""
    return 2 * stdtr(np.minimum(df, MOST_DF), -np.abs(t))


def _place(share: np.ndarray) -> np.ndarray:
    """Bins of shares, 0..1."""
    return np.clip(share * _BINS, 0, _BINS - 1).astype(np.int32)


@lru_cache(maxsize=4)
def _normals(m: int) -> tuple[np.ndarray, np.ndarray]:
    stream = generator(0, "max-T", m)
    return tuple(stream.standard_normal((2, m, DRAWS), dtype=np.float32))


def _factor(correlation: np.ndarray) -> np.ndarray:
    """F with F F^T = correlation, which may be singular."""
    values, vectors = np.linalg.eigh(correlation)
    return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)


@lru_cache(maxsize=256)
def _tables(step: int) -> tuple[np.ndarray, np.ndarray]:
    """By bin: sqrt(chi2 / df) at normal values of -5.5..5.5; log two-sided p of t at t / (1 + t) of 0..1."""
    df, middle = math.exp(_STEP * step), (np.arange(_BINS) + 0.5) / _BINS
    ratio = np.sqrt(chdtri(df, ndtr(_WIDEST * (1 - 2 * middle))) / df)
    with np.errstate(divide="ignore"):
        log_p = np.log(two_sided(middle / (1 - middle), df))
    return ratio.astype(np.float32), log_p.astype(np.float32)
