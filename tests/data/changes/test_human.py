"""Labels of a file in place of a data set's own."""

from pathlib import Path

import numpy as np
import pytest

from lossbench.data.changes.noise import wrong
from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import Source, replicated

N = 1797


def labels_file(path: Path, flipped: int, skip: int = 0, name: str = "name,label") -> Path:
    """Write the right label of every digit, but for every flipped-th the next class."""
    targets = Digits().pool().targets
    rows = [f"{k},{(y + (k % flipped == 0)) % 10}" for k, y in enumerate(targets.tolist()) if k >= skip]
    path.write_text("\n".join([name, *rows]))
    return path


def given(path: Path, source: Source | None = None, **settings: object) -> Source:
    return (source or Digits()).with_changes(Changes.of({"noise": "file", "noise_file": str(path), **settings}))


def test_labels_of_the_file_are_those_of_training_and_validation(tmp_path: Path) -> None:
    source = given(labels_file(tmp_path / "labels.csv", 5), replicated(Digits(), 3))
    for name in ("train", "val"):
        split = source.splits[name]
        assert np.array_equal(wrong(split), split.ids.astype(int) % 5 == 0)
    assert not wrong(source.splits["test"]).any()
    assert "labels.csv; validation too" in source.about_lines("digits")[2]


def test_the_file_counts_by_its_labels(tmp_path: Path) -> None:
    first, same, other = (labels_file(tmp_path / name, k) for name, k in (("a.csv", 5), ("b.csv", 5), ("c.csv", 6)))
    prints = [given(path).fingerprint() for path in (first, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_file_that_lacks_validation_examples_may_leave_them_as_they_are(tmp_path: Path) -> None:
    rest = Digits().splits["val"].ids
    path = labels_file(tmp_path / "labels.csv", 5)
    lines = [line for line in path.read_text().splitlines() if line.split(",")[0] not in {*rest.tolist()}]
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"no label for 359 of 359 val examples.*data.noise_validation=false"):
        _ = given(path).splits
    assert wrong(given(path, noise_validation=False).splits["train"]).any()


@pytest.mark.parametrize(
    ("content", "settings", "line"),
    [
        ("name,label\n0,zero\n", {}, "noise_file=.* has no label for 1,07. of 1,079 train examples"),
        ("name,a,b\n0,1,1\n", {}, "noise_column must name the column of the labels; Available: a, b"),
        ("name,a\n0,1\n", {"noise_column": "b"}, "noise_column=b is no column of the table"),
        ("name,a\n0,1\n", {"noise_id": "id"}, "noise_id=id is no column of the table"),
        ("name,a\n0,\n1,\n", {}, "noise_column=a is empty in all rows"),
        ("name,a\n0,1\n0,2\n", {}, "noise_id=name must tell the rows apart"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    content: str, settings: dict[str, str], line: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=line):
        _ = given(path, **settings).splits


def test_a_label_that_is_no_class_is_named(tmp_path: Path) -> None:
    path = labels_file(tmp_path / "labels.csv", 5)
    path.write_text(path.read_text().replace(",9", ",nine"))
    with pytest.raises(ValueError, match="labels that are no class of the data: nine; Available: 0, 1"):
        _ = given(path).splits
