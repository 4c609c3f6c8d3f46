"""Interrupted stacks go on where they were saved."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from run_files import result_of, steady
from sweeping import QUIET, TRAIN, VECTORIZED, directories, sweep
from typed import command, start_command, wait_until

from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.vectorized.checkpoint import save_stack
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

LONG = (
    TRAIN,
    "-m",
    "data=toy",
    "loss=cosine_prob,power",
    "seed=range(4)",
    "trainer.max_epochs=60",
    "data.init=random",
    "logger=none",
    VECTORIZED,
    QUIET,
)
ENDS = {signal.SIGINT: (130, {"cancelled"}), signal.SIGTERM: (143, {"preempted"})}


def interrupt(runs: Path, sign: signal.Signals) -> tuple[int, set[str]]:
    """Start the sweep, send a signal once a stack is saved, and give the exit code and the statuses of the runs."""
    code = (
        "import sys; sys.argv = sys.argv[1:]; import lossbench.vectorized.work as work; work.SAVED_EVERY = 0.2;"
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    process = start_command("-c", code, *LONG, runs=runs, output=subprocess.DEVNULL)
    wait_until(lambda: any(runs.rglob(".stacks/*.ckpt")), process)
    time.sleep(1.0)
    process.send_signal(sign)
    process.wait()
    return process.returncode, {run.status["status"] for run in directories(runs).values()}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_stack_goes_on(tmp_path: Path, sign: signal.Signals) -> None:
    runs = tmp_path / "runs"
    code, statuses = interrupt(runs, sign)
    assert not list(runs.rglob("result.json"))
    if sign in ENDS:
        assert (code, statuses) == ENDS[sign]
    again = command(*LONG, runs=runs)
    assert (again.returncode, again.stderr) == (0, "")
    resumed = int(again.stdout.split("resumed at step ")[1].split(" ")[0])
    assert resumed > 0
    assert command(*LONG, runs=tmp_path / "untouched").returncode == 0
    for name, run in directories(tmp_path / "untouched").items():
        assert_resumed(RunDirectory(runs / name), run, resumed)
    assert not list(runs.rglob(".stacks/*.ckpt"))


def assert_resumed(run: RunDirectory, whole: RunDirectory, step: int) -> None:
    """The run went on at a step, and is what it would have been."""
    assert result_of(run).metrics == result_of(whole).metrics
    assert result_of(run).resumed_at == step
    assert steady(run) == steady(whole)


@pytest.mark.slow
def test_force_does_not_go_on_from_an_interrupted_stack(tmp_path: Path) -> None:
    words = ("data=toy", "seed=0,1", "trainer.max_steps=20", "logger=none", VECTORIZED)
    assert sweep(*words, runs=tmp_path).returncode == 0
    runs = list(directories(tmp_path).values())
    shared = Shared(assemble(runs[0].config))
    stacked = StackedRuns([run.config for run in runs], shared, torch.device("cpu"))
    stacked.stack.train_step()
    save_stack(runs, stacked)
    again = sweep(*words, "force=true", runs=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "resumed at" not in again.stdout
    assert not list(tmp_path.rglob(".stacks/*.ckpt"))
