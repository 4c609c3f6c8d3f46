"""How the process of a run has ended."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lossbench.launch.exits import exit_reason, last_lines
from lossbench.rundir.directory import RunDirectory


def test_the_end_of_a_log_is_read_without_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    assert last_lines(log) == []
    log.write_text("x" * 100_000 + "\none\n\ntwo\nthree\n")
    assert last_lines(log) == ["one", "two", "three"]
    assert os.path.getsize(log) > 100_000


@pytest.mark.parametrize(
    ("code", "reason"),
    [(7, "exit code 7"), (-9, "killed by SIGKILL: out of memory, or by hand"), (-11, "killed by SIGSEGV")],
)
def test_the_exit_code_is_the_reason_where_the_run_wrote_none(
    planned: Callable[..., RunDirectory], code: int, reason: str
) -> None:
    run = planned("data=digits")
    run.set_status("running")
    assert exit_reason(run, code) == reason
    assert (run.status["status"], run.status["reason"]) == ("failed", reason)
    assert exit_reason(run, 1) == reason  # what status.json says comes first
