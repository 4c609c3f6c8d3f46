"""hydra/launcher=auto, the default of multiruns, as a user types it."""

from pathlib import Path

import pytest
from run_files import assert_same, result_of
from sweeping import QUIET, TRAIN, directories, sweep
from typed import command

DIGITS = ("data=digits", "trainer=cpu", "trainer.max_epochs=1", "logger=none", "loss=cross_entropy")
MIXED = (*DIGITS, "trainer.accumulate_grad_batches=1,2", "seed=0,1")


@pytest.mark.slow
def test_the_default_stacks_what_it_can_and_runs_the_rest_beside(tmp_path: Path) -> None:
    planned = command(TRAIN, "-m", *MIXED, QUIET, "plan=true", "hydra.launcher.n_jobs=2", runs=tmp_path / "auto")
    done = command(TRAIN, "-m", *MIXED, QUIET, "hydra.launcher.n_jobs=2", runs=tmp_path / "auto")
    assert (done.returncode, done.stderr) == (0, "")
    chosen = [line for line in done.stdout.splitlines() if line.startswith(("stacked: ", "in 2 processes: "))]
    assert chosen[0] == "stacked: 2 runs in one tensor program"
    assert chosen[1].startswith("in 2 processes: 2 runs, because trainer.accumulate_grad_batches=2: ")
    assert [line for line in planned.stdout.splitlines() if line in chosen] == chosen
    assert "2 stacked in 1 stack, 2 2 at a time" in planned.stdout
    alone = sweep(*DIGITS, "trainer.accumulate_grad_batches=2", "seed=0,1", runs=tmp_path / "basic")
    assert alone.returncode == 0
    ours = directories(tmp_path / "auto")
    for name, run in directories(tmp_path / "basic").items():
        assert_same(ours[name], run)
    assert sorted(result_of(run).engine for run in ours.values()) == ["lightning"] * 2 + ["vectorized"] * 2


@pytest.mark.slow
def test_what_torch_cannot_map_is_said_and_goes_on_beside(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(COUNTING)
    env = {"PYTHONPATH": str(tmp_path), "LOSSBENCH_ALLOW": "counting"}
    words = (*DIGITS, "seed=0,1", "model=linear", "model._target_=counting.Counting", "~model.bias")
    done = command(TRAIN, "-m", *words, QUIET, "hydra.launcher.n_jobs=2", runs=tmp_path / "runs", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stacked: 2 runs in one tensor program" in done.stdout
    assert "in 2 processes: 2 runs, because model=linear cannot be mapped over runs" in done.stdout


COUNTING = """
from torch import nn

class Counting(nn.Sequential):
    def __init__(self, num_classes=10, weight=None):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
    def forward(self, inputs):
        return super().forward(inputs) if inputs.sum().item() > -1 else inputs
"""


@pytest.mark.slow
def test_a_run_that_was_begun_alone_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    words = ("data=digits", "trainer=cpu", "logger=none", "loss=cross_entropy", "trainer.max_epochs=3")
    whole = command(TRAIN, *words, "seed=0", runs=tmp_path / "whole")
    assert whole.returncode == 0
    assert command(TRAIN, *words, "seed=0", runs=tmp_path / "begun").returncode == 0
    (begun,) = directories(tmp_path / "begun").values()
    begun.result_path.unlink()  # as if killed before it was written
    done = command(TRAIN, "-m", *words, "seed=0,1,2", QUIET, runs=tmp_path / "begun")
    assert done.returncode == 0, done.stderr
    assert "1 run, because each goes on from a checkpoint of its own" in done.stdout
    assert "stacked: 2 runs in one tensor program" in done.stdout
    assert_same(begun, next(iter(directories(tmp_path / "whole").values())))
