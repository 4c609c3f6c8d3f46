"""Sign-flip permutation test of paired differences."""

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

import numpy as np

from lossbench.report.stats.summary import checked
from lossbench.seeds import generator

EXACT = 16  # seeds up to which every sign pattern is tried
PATTERNS = 99_999  # sign patterns drawn beyond that
_TIE = 1e-9  # of sum |d|: sums closer than that are equal, so that rounding of differences breaks no ties
_ROWS, _COLUMNS = 4096, 256  # sign patterns x comparisons at once: their sums stay in the processor's cache


def sign_flip_p(d: np.ndarray) -> float:
    """p-value of a mean difference this far from 0 if the two losses were equal: sign-flip permutation test.

    p = share of sign patterns s with |sum s d| >= |sum d|: all 2^n for n <= 16, else (b + 1) / (B + 1) with b of B =
    99,999 drawn ones.

    Args:
        d: (n,) differences, any real numbers, n >= 1.

    Returns:
        Two-sided p, 0..1; the smallest possible is 2 / 2^n, or about 0.00001 beyond n = 16. 1 where all differences are
        0.

    Raises:
        ValueError: on a shape other than (n,) with n >= 1, a NaN or an infinity.

    Reference:
        Fisher 1935, The Design of Experiments, section 21; Phipson and Smyth 2010, Permutation P-values Should Never Be
        Zero.
    """
    return float(sign_flip_ps(checked(d)[:, None])[0])


def sign_flip_ps(D: np.ndarray) -> np.ndarray:
    """Test many comparisons of the same n seeds at once, each as in `sign_flip_p`.

    Args:
        D: (n, m) differences, any real numbers, n >= 1, m >= 0: one column per comparison.

    Returns:
        (m,) two-sided p, 0..1.

    Raises:
        ValueError: on a shape other than (n, m) with n >= 1, a NaN or an infinity.
    """
    d = np.asarray(D, dtype=np.float64)
    if d.ndim != 2 or len(d) == 0 or not np.isfinite(d).all():
        raise ValueError(f"D must be finite and of shape (n, m) with n >= 1, got {d.shape}")
    n, m = d.shape
    bound = np.abs(d.sum(0)) - _TIE * np.abs(d).sum(0)
    far = np.zeros(m, dtype=np.int64)
    for signs in sign_patterns(n):
        for start in range(0, m, _COLUMNS):
            block = slice(start, start + _COLUMNS)
            sums = d.T[block] @ signs
            far[block] += np.count_nonzero(np.abs(sums, out=sums) >= bound[block, None], axis=1)
    return far / 2 ** (n - 1) if n <= EXACT else (far + 1) / (PATTERNS + 1)


def sign_patterns(n: int) -> Iterator[np.ndarray]:
    """Yield blocks (n, up to 4096) of signs; half of all patterns where exact, as s and -s have the same |sum|."""
    if n <= EXACT:
        signs = _half_of_all(n)
        yield from (signs[:, start : start + _ROWS] for start in range(0, signs.shape[1], _ROWS))
        return
    stream = generator(0, "sign_flip", n)
    for start in range(0, PATTERNS, _ROWS):
        yield 2.0 * stream.integers(0, 2, (n, min(_ROWS, PATTERNS - start)), dtype=np.int8) - 1


@lru_cache(maxsize=1024)
def smallest_p(n: int) -> float:
    """Smallest p of n seeds, that of n equal differences: 2 / 2^n for n <= 16, about 0.00001 beyond."""
    return sign_flip_p(np.ones(n))


@lru_cache(maxsize=4)
def _half_of_all(n: int) -> np.ndarray:
    """The 2^(n-1) sign patterns that begin with 1, (n, 2^(n-1))."""
    places = np.arange(n - 1, -1, -1).reshape(-1, 1)
    bits = cast(np.ndarray, np.arange(2 ** (n - 1)) >> places & 1)
    return 1.0 - 2.0 * bits
