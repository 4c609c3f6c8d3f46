"""The lines of metrics.csv of many runs."""

import numpy as np

from lossbench.rundir.history import lines
from lossbench.rundir.last_and_best import Row
from lossbench.vectorized.results.rows import RowBlock


def test_the_lines_of_each_run_are_those_that_it_writes_alone() -> None:
    """Numbers that all runs have are formatted once: zeros of both signs differ, and nan is nan."""
    values = np.array([[0.1, 0.0, np.nan, 1e300, 1.0], [0.1, -0.0, np.nan, 5e-324, np.inf]])
    rows = [(1, 0, ("train/loss", "train/100%s")), (2, 0, ("val/a", "val/b")), (3, 1, ("val/a",))]
    block = RowBlock((0, 2), rows, values)
    for text, row in zip(block.csv(), values.tolist(), strict=True):
        first, second, third, fourth, fifth = row
        assert text == "".join(
            (
                lines(1, 0, {"train/loss": first, "train/100%s": second}),
                lines(2, 0, {"val/a": third, "val/b": fourth}),
                lines(3, 1, {"val/a": fifth}),
            )
        )
    (_, second) = block.rows_of({"val/b", "train/loss", "val/none"})
    assert second == {"train/loss": [Row(1, 0, 0.1)], "val/b": [Row(2, 0, 5e-324)]}
    assert [*RowBlock((0, 1), rows[:1], values[:1, :2]).csv()] == [lines(1, 0, {"train/loss": 0.1, "train/100%s": 0.0})]
