"""What a job refuses to run, and leaves as it was."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import make_run

from lossbench.errors import UserError
from lossbench.job.start import bring_to_result, notes
from lossbench.rundir.directory import RunDirectory


def test_an_invalid_cell_of_a_sweep_stays_invalid(planned: Callable[..., RunDirectory]) -> None:
    run = planned("data=digits")
    run.set_status("invalid", reason="loss.beta must be within 0 and 1")
    before = run.status
    line = r"is invalid: loss\.beta must be within 0 and 1; choose other numbers for the loss$"
    with pytest.raises(UserError, match=line):
        bring_to_result(run)
    assert run.status == before
    assert not run.log_path.exists()


def test_a_scale_that_made_the_calibration_worse_is_said(tmp_path: Path) -> None:
    for scaled, expected in ((0.03, []), (0.088, ["the scale fitted on 359 validation examples raised test/ece"])):
        metrics = {"test/accuracy": 0.9, "test/ece": 0.048, "test/ece_scaled": scaled}
        result = RunDirectory(make_run(tmp_path / "study", seed=int(1000 * scaled), metrics=metrics)).result()
        assert result is not None
        said = [*notes(result)]
        assert [line.partition(" from ")[0] for line in said] == expected
        assert all("from 4.8 to 8.8 %: the raw probabilities are better calibrated here" in line for line in said)
