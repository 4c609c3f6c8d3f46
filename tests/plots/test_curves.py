"""Curves of some runs: a panel a metric, a line a run, and one line of error where nothing was measured."""

from pathlib import Path

import pytest

from lossbench.errors import UserError
from lossbench.plots.curves import draw_curves, save_figure

RUNS = {
    "power": {"val/accuracy": ([1, 2], [0.5, 0.75]), "val/nll": ([2], [0.3])},
    "focal": {"val/accuracy": ([1, 3], [0.25, 1.0])},
}


def test_every_run_that_measured_a_metric_has_a_line() -> None:
    figure = draw_curves(RUNS, ["val/accuracy", "val/nll"])
    lines = [[(line.get_label(), line.get_xydata().tolist()) for line in axes.lines] for axes in figure.axes]
    assert lines == [
        [("power", [[1, 0.5], [2, 0.75]]), ("focal", [[1, 0.25], [3, 1.0]])],
        [("power", [[2, 0.3]])],
    ]
    assert [axes.get_title() for axes in figure.axes] == ["val/accuracy", "val/nll"]


def test_a_metric_that_no_run_measured_is_refused_with_those_measured() -> None:
    with pytest.raises(UserError, match="no run has measured val/ece; they have val/accuracy, val/nll"):
        draw_curves(RUNS, ["val/ece"])


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_says_which_kind(tmp_path: Path, ending: str, start: bytes) -> None:
    save_figure(draw_curves(RUNS, ["val/accuracy"]), tmp_path / f"curves.{ending}")
    assert (tmp_path / f"curves.{ending}").read_bytes().startswith(start)
