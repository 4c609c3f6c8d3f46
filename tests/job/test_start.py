"""What a job refuses to run, and leaves as it was."""

from collections.abc import Callable

import pytest

from lossbench.errors import UserError
from lossbench.job.start import bring_to_result
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
