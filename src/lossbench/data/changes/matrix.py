"""The shares of wrong labels from class to class, and whole numbers of examples by shares. Torch-free."""

import numpy as np

from lossbench.data.changes.noise_settings import NoiseSettings, check_rows
from lossbench.data.changes.rows_file import has_rows, read_rows


def matrix_of(settings: NoiseSettings, classes: int) -> np.ndarray:
    """Give the shares of the labels that each class gets, (C, C): row c is of the true class c and sums to 1.

    symmetric: T[c, c] = 1 - r and T[c, k] = r / (C - 1); pairs: T[c, c] = 1 - r and T[c, c + 1 mod C] = r.

    Args:
        settings: the rate r and where wrong labels go, or the matrix.
        classes: C.

    Raises:
        ValueError: the matrix cannot be read, or is not one of this many classes.
    """
    rate, eye = settings.label_noise, np.eye(classes)
    if settings.noise == "symmetric":
        return (1 - rate) * eye + rate * (1 - eye) / (classes - 1)
    if settings.noise == "pairs":
        return (1 - rate) * eye + rate * np.roll(eye, 1, axis=1)
    given = settings.noise_matrix
    matrix = _read(given) if isinstance(given, str) else np.array(given, dtype=float)
    if len(matrix) != classes:
        raise ValueError(f"noise_matrix has {len(matrix)} rows, and the data have {classes} classes; give one for each")
    return matrix


def _read(path: str) -> np.ndarray:
    """Read a matrix from a .csv file of numbers alone, or from a .npy file."""
    if not has_rows(path):
        raise ValueError(f"noise_matrix={path} must be a .csv or .npy file, or rows such as [[0.9,0.1],[0.2,0.8]]")
    found = read_rows("noise_matrix", path)
    check_rows(f"noise_matrix={path}", found.tolist())
    return found


def largest_remainder(shares: np.ndarray, n: int) -> np.ndarray:
    """Share n examples out: n times each share rounded down, then one more for the largest remainders.

    Args:
        shares: >= 0, they sum to 1, (C,).
        n: to be shared out.

    Returns:
        Whole numbers that sum to n, (C,); of equal remainders the first one gets more.
    """
    exact = np.round(shares * n, 6)  # 0.3 * 10 is 3, not 2.9999999999999996
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return counts
