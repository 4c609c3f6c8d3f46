"""Forms of an example, such as crops of an image, of which training sees another one in each pass. Torch-free."""

from dataclasses import dataclass

import numpy as np

from lossbench.seeds import generator


@dataclass(frozen=True)
class Forms:
    """The forms of each example.

    Args:
        table: (M, ...), the forms of all examples.
        rows: int64, (n, F), where in the table each example's forms are; the first is what evaluation sees.
    """

    table: np.ndarray
    rows: np.ndarray

    def take(self, index: np.ndarray | slice) -> "Forms":
        """Pick examples by position; the table is shared."""
        return Forms(self.table, self.rows[index])


def first_forms(seed: int, n: int, forms: int) -> np.ndarray:
    """Draw which form of each example the first pass sees; pass k sees form (first + k) mod F.

    Args:
        seed: the run's.
        n: examples.
        forms: F.

    Returns:
        int64, (n,), in 0..F - 1.
    """
    return generator(seed, "forms").integers(forms, size=n)
