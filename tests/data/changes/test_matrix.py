"""Shares of wrong labels from class to class, as whole numbers of examples."""

from pathlib import Path

import numpy as np
import pytest

from lossbench.data.changes.matrix import largest_remainder, matrix_of
from lossbench.data.changes.noise import transition_matrix
from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import replicated
from lossbench.data.toy import Toy


def changes(**settings: object) -> Changes:
    return Changes.of(settings)


def test_shares_become_whole_numbers_that_sum_to_n() -> None:
    assert largest_remainder(np.array([0.3, 0.7]), 10).tolist() == [3, 7]
    assert largest_remainder(np.array([0.5, 0.5]), 7).tolist() == [4, 3]
    assert largest_remainder(np.array([0.61, 0.2, 0.19]), 10).tolist() == [6, 2, 2]
    assert largest_remainder(np.array([1.0, 0.0]), 3).tolist() == [3, 0]


def test_kinds_of_noise_are_matrices() -> None:
    symmetric = matrix_of(changes(label_noise=0.3, noise="symmetric"), 4)
    assert np.allclose(symmetric, 0.1 + 0.6 * np.eye(4))
    pairs = matrix_of(changes(label_noise=0.3, noise="pairs"), 3)
    assert np.allclose(pairs, [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]])


@pytest.mark.parametrize("ending", ["csv", "npy", ""])
def test_labels_are_spread_as_the_matrix_says(ending: str, tmp_path: Path) -> None:
    rows = np.full((10, 10), 0.02) + 0.8 * np.eye(10)
    path = tmp_path / f"matrix.{ending}"
    if ending:
        np.savetxt(path, rows, delimiter=",") if ending == "csv" else np.save(path, rows)
    given = changes(noise="matrix", noise_matrix=str(path) if ending else rows.tolist())
    source = replicated(Digits(), 1).with_changes(given)
    train = source.splits["train"]
    counts = np.bincount(train.true_targets, minlength=10)
    assert (np.abs(transition_matrix(train, 10) - rows) <= 1 / counts.min()).all()
    assert source.fingerprint() != Digits().fingerprint()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"noise": "matrix"}, "noise_matrix must say where the labels are wrong with noise=matrix, got null"),
        ({"noise": "file", "label_noise": 0.2}, "label_noise=0.2 is a rate, and noise=file brings its own"),
        ({"noise_matrix": [[1, 0], [0, 1]]}, "noise_matrix is a setting of noise=matrix, and noise=symmetric"),
        ({"noise": "matrix", "noise_matrix": [[0.5, 0.4], [0, 1]]}, "noise_matrix must have rows of numbers"),
        ({"noise": "matrix", "noise_matrix": [[1, 0]]}, "noise_matrix must be rows of numbers, as many rows as col"),
        ({"noise": "matrix", "noise_matrix": 3}, "noise_matrix must be rows of numbers, as many rows as columns"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        changes(**settings)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("0.5,0.5\n0.5,0.4\n", "sum to 1, and row 2 is"),
        ("a,b\n", "cannot be read"),
        ("1,0\n0,1\n", "noise_matrix has 2 rows, and the data have 5 classes"),
    ],
)
def test_a_file_that_is_no_matrix_of_the_classes_is_one_line(content: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text(content)
    source = Toy().with_changes(changes(noise="matrix", noise_matrix=str(path)))
    with pytest.raises(ValueError, match=line):
        _ = source.splits
