"""The curves of run directories, as metrics.csv holds them."""

from pathlib import Path

import pytest
from conftest import plan_run

from lossbench.errors import UserError
from lossbench.report.run_curves import read_run_curves
from lossbench.rundir import reading


def test_every_metric_is_read_in_the_order_of_its_rows(tmp_path: Path) -> None:
    run = plan_run(tmp_path)
    rows = (
        "step,epoch,name,value",
        "0,0,train/loss,2.5",
        "10,1,val/accuracy,0.5",
        "10,1,train/loss,nan",
        "20,2,val/accuracy,1",
    )
    run.metrics_path.write_text("\n".join(rows) + "\n")
    ((label, curves),) = read_run_curves([run]).of_run.items()
    assert label == "cosine_prob, toy, linear, seed 0"
    assert {name: steps for name, (steps, _) in curves.items()} == {"train/loss": [0, 10], "val/accuracy": [10, 20]}
    assert curves["val/accuracy"][1] == [0.5, 1.0]
    assert curves["train/loss"][1] == pytest.approx([2.5, float("nan")], nan_ok=True)


def test_a_file_of_any_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = plan_run(tmp_path)
    run.metrics_path.write_text("step,epoch,name,value\n0,0,train/loss,2.5\n")
    monkeypatch.setattr(reading, "MOST_BYTES", {**reading.MOST_BYTES, ".csv": 40})
    with pytest.raises(UserError, match=r"metrics\.csv cannot be read \(it has more than 40 bytes\)"):
        read_run_curves([run])


def test_a_run_that_has_not_started_is_named(tmp_path: Path) -> None:
    run = plan_run(tmp_path)
    with pytest.raises(UserError, match=r"metrics\.csv does not exist: the run has not started"):
        read_run_curves([run])
