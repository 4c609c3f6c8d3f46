"""The settings of wrong labels. Torch-free."""

from dataclasses import dataclass
from typing import Any

from lossbench.config.values import choice, is_number, number, path_text

DRAWN = ("symmetric", "pairs")
"""Where wrong labels go, at the rate label_noise."""
NOISES = (*DRAWN, "matrix", "file")
PART_OF = {"noise_matrix": "matrix", "noise_file": "file", "noise_column": "file", "noise_id": "file"}
"""Settings that belong to one kind of noise."""


@dataclass(frozen=True)
class NoiseSettings:
    """Which labels are wrong.

    Args:
        label_noise: share of the labels of each class that are wrong, in [0, 1]; of symmetric and pairs.
        noise: where wrong labels go: symmetric spreads them evenly over all other classes, pairs gives all of a class
            to the next one, matrix has a rate for each two classes, file reads the labels.
        noise_validation: whether validation labels are wrong as training labels are.
        noise_matrix: of noise=matrix: (C, C), row c says how the labels of class c are spread; each sums to 1. Or a
            .csv or .npy file with it.
        noise_file: of noise=file: a table with a label for each example.
        noise_column: its column of labels; None takes the only one beside the ids.
        noise_id: its column of the examples' ids; None takes the first.

    Raises:
        ValueError: names the setting, what was found and what is allowed.
    """

    label_noise: float = 0
    noise: str = "symmetric"
    noise_validation: bool = True
    noise_matrix: str | tuple[tuple[float, ...], ...] | None = None
    noise_file: str | None = None
    noise_column: str | None = None
    noise_id: str | None = None

    def __post_init__(self) -> None:
        number("label_noise", self.label_noise, 0, top=1)
        choice("noise", self.noise, NOISES)
        choice("noise_validation", self.noise_validation, (True, False))
        self._check_kind()
        if self.noise_file is not None:
            path_text("noise_file", self.noise_file, "a table of labels")
        if isinstance(self.noise_matrix, str):
            path_text("noise_matrix", self.noise_matrix, "a file")
        elif self.noise_matrix is not None:
            check_rows("noise_matrix", self.noise_matrix)

    def _check_kind(self) -> None:
        for name, kind in PART_OF.items():
            if getattr(self, name) is not None and self.noise != kind:
                raise ValueError(f"{name} is a setting of noise={kind}, and noise={self.noise}; leave one of them out")
        if self.noise in DRAWN:
            return
        if self.label_noise:
            raise ValueError(
                f"label_noise={self.label_noise:g} is a rate, and noise={self.noise} brings its own; "
                "leave data.label_noise out"
            )
        needed = f"noise_{self.noise}"
        if getattr(self, needed) is None:
            raise ValueError(f"{needed} must say where the labels are wrong with noise={self.noise}, got null")

    @property
    def noisy(self) -> bool:
        """Whether labels are changed."""
        return self.label_noise > 0 or self.noise not in DRAWN

    def noise_settings(self) -> dict[str, Any]:
        """Give the settings where labels are changed."""
        if not self.noisy:
            return {}
        of_kind = [name for name, kind in PART_OF.items() if kind == self.noise] or ["label_noise"]
        found = {name: getattr(self, name) for name in (*of_kind, "noise", "noise_validation")}
        return {name: _plain(value) for name, value in found.items() if value is not None}


def check_rows(name: str, rows: Any) -> None:
    """Require a square matrix of shares whose rows sum to 1.

    Raises:
        ValueError: names the row and what was found.
    """
    if not _is_square(rows):
        raise ValueError(f"{name} must be rows of numbers, as many rows as columns, such as [[0.9,0.1],[0.2,0.8]]")
    for k, row in enumerate(rows):
        if not all(is_number(value) and 0 <= value <= 1 for value in row) or abs(sum(row) - 1) > 1e-6:
            raise ValueError(f"{name} must have rows of numbers >= 0 that sum to 1, and row {k + 1} is {[*row]}")


def _is_square(rows: Any) -> bool:
    if not isinstance(rows, list | tuple) or len(rows) < 2:
        return False
    return all(isinstance(row, list | tuple) and len(row) == len(rows) for row in rows)


def _plain(value: object) -> object:
    return [[*row] for row in value] if isinstance(value, tuple) else value
