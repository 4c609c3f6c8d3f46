"""Several losses on several data sets, each data set once: mean ranks, and sign tests that are corrected together."""

import math
from typing import Any, cast

import numpy as np
from scipy.special import fdtrc  # pyright: ignore[reportMissingTypeStubs]
from scipy.stats import rankdata, studentized_range  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from lossbench.report.stats.mcnemar import mcnemar_p
from lossbench.report.stats.sign_flip import EXACT, sign_patterns


def mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Rank the losses on each data set, 1 the best, equal scores the mean of their places; then the mean of the ranks.

    Args:
        scores: (N, k) of k losses on N data sets, higher is better; data sets may differ in unit.

    Returns:
        (k,) 1..k.
    """
    return rankdata(-scores, axis=1).mean(0)


def friedman_p(scores: np.ndarray) -> float:
    """p-value of ranks that differ so much if all losses were equally good.

    chi2 = 12 N / (k (k + 1)) (sum R_j^2 - k (k + 1)^2 / 4),  F = (N - 1) chi2 / (N (k - 1) - chi2)

    Args:
        scores: (N, k), N >= 2, k >= 2, higher is better.

    Returns:
        0..1 of F with (k - 1) and (k - 1)(N - 1) degrees of freedom.

    Reference:
        Demsar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, section 3.2.2.
    """
    N, k = scores.shape
    R = mean_ranks(scores)
    chi2 = 12 * N / (k * (k + 1)) * (np.square(R).sum() - k * (k + 1) ** 2 / 4)
    rest = N * (k - 1) - chi2
    F = math.inf if rest <= 0 else (N - 1) * chi2 / rest
    return float(fdtrc(k - 1, (k - 1) * (N - 1), F))


def critical_difference(k: int, N: int, alpha: float = 0.05) -> float:
    """Mean ranks that differ by more are told apart: CD = q_alpha sqrt(k (k + 1) / (6 N)), Nemenyi's test.

    Args:
        k: losses, >= 2.
        N: data sets, >= 1.
        alpha: chance that any of the k (k - 1) / 2 pairs of equal losses is told apart.

    Reference:
        Demsar 2006, section 3.2.2; q_alpha is the studentized range's quantile over sqrt(2).
    """
    q = float(cast(Any, studentized_range).ppf(1 - alpha, k, math.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * N))


def sign_test_p(wins: int, losses: int) -> float:
    """p-value of so unequal numbers of data sets won and lost: the exact two-sided sign test; ties are left out.

    Args:
        wins: >= 0.
        losses: >= 0.
    """
    return mcnemar_p(wins, losses)


def sign_tests_together(differences: np.ndarray) -> np.ndarray:
    """Adjust the sign tests of several losses against one baseline: step-down max-T over flips of whole data sets.

    S_j = wins - losses; adjusted p_j = share of the patterns s of signs, one sign a data set, with
    max |sum_i s_i sign(d_il)| >= |S_j| over the losses l no farther from 0 than j. All 2^N patterns for N <= 16, else
    99,999 drawn ones.

    Args:
        differences: (N, m) of m losses from the baseline on N data sets, in any units.

    Returns:
        (m,) adjusted two-sided p, 0..1, the smallest possible 2 / 2^N.

    Reference:
        Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 4.1 (not checked against the book).
    """
    signs = np.sign(differences)
    N, m = signs.shape
    S = np.abs(signs.sum(0))
    order = np.argsort(-S, kind="stable")
    reached, patterns = np.zeros(m), 0
    for flips in sign_patterns(N):
        largest = np.maximum.accumulate(np.abs(signs.T[order[::-1]] @ flips), axis=0)[::-1]
        reached += np.count_nonzero(largest >= S[order, None], axis=1)
        patterns += flips.shape[1]
    p = reached / patterns if N <= EXACT else (reached + 1) / (patterns + 1)
    adjusted = np.empty(m)
    adjusted[order] = np.maximum.accumulate(p)
    return adjusted


def fewest_that_decide(alpha: float = 0.05) -> int:
    """Data sets below which no sign test can reach alpha, however the losses do: the first N with 2 / 2^N <= alpha."""
    return math.ceil(1 + math.log2(1 / alpha))
