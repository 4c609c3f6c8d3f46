"""A checkpoint that does not fit its run is one line that names the file and a way out, and the way out works."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import damage
import numpy as np
import pytest
import torch
from conftest import plan_run

import lossbench
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory

WORDS = ("data=toy", "trainer=cpu", "figures=false", "trainer.max_epochs=2", "trainer.max_steps=8")
Checkpoint = dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    start(plan_run(folder, *WORDS))
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunDirectory:
    """A copy of a trained run."""
    shutil.copytree(trained, tmp_path / "runs")
    return plan_run(tmp_path / "runs", *WORDS)


def first(state: Checkpoint) -> str:
    return next(name for name in state if name.startswith("model."))


def weights(change: Callable[[Checkpoint], object]) -> Callable[[Checkpoint], object]:
    return lambda checkpoint: change(checkpoint["state_dict"])


def entry(name: str, value: Any) -> Callable[[Checkpoint], object]:
    return lambda checkpoint: checkpoint.update({name: value})


WRONG_WEIGHTS: dict[str, Callable[[Checkpoint], object]] = {
    "no state": lambda checkpoint: checkpoint.pop("state_dict"),
    "a list as state": entry("state_dict", [1]),
    "no weights": entry("state_dict", {}),
    "a weight missing": weights(lambda state: state.pop(first(state))),
    "a weight too many": weights(lambda state: state.update({"model.surplus": torch.zeros(2)})),
    "a text as weight": weights(lambda state: state.update({first(state): "x"})),
    "a number as name": weights(lambda state: cast(dict[Any, Any], state).update({1: torch.zeros(2)})),
    "another model": weights(lambda state: state.update({first(state): torch.zeros(5, 5)})),
}
WRONG_RUN: dict[str, Callable[[Checkpoint], object]] = {
    **{f"no {name}": lambda checkpoint, name=name: checkpoint.pop(name)
       for name in ("global_step", "epoch", "history_bytes", "should_stop", "is_best", "optimizer_states", "loops",
                    "callbacks", "lr_schedulers", "train_totals")},
    **{f"{name} {value}": entry(name, value)
       for name, value in (("global_step", "x"), ("global_step", 1.5), ("epoch", -1), ("history_bytes", -1),
                           ("should_stop", 3), ("seconds", "x"), ("seconds", float("nan")), ("optimizer_states", []),
                           ("optimizer_states", [1]), ("optimizer_states", 1), ("loops", {"fit_loop": 1}), ("loops", 1),
                           ("callbacks", [1]), ("lr_schedulers", [1]), ("train_totals", ["x"]))},
}  # fmt: skip


def edit(path: Path, change: Callable[[Checkpoint], object]) -> None:
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    path.unlink()
    torch.save(checkpoint, path)


def interrupt(run: RunDirectory) -> None:
    """Leave the run as one that was stopped after four of its steps."""
    run.result_path.unlink()
    edit(run.checkpoint("last"), lambda checkpoint: checkpoint.update(global_step=4, should_stop=False))


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("what", list(WRONG_WEIGHTS))
def test_weights_that_do_not_fit_are_refused_by_whoever_loads_them(run: RunDirectory, what: str) -> None:
    path = run.checkpoint("best")
    edit(path, WRONG_WEIGHTS[what])
    said = refusal(lambda: lossbench.load(run.path, "best"))
    assert said.startswith(f"{path} ")
    assert "start the run with force=true" in said


@pytest.mark.parametrize("what", [*WRONG_WEIGHTS, *WRONG_RUN])
def test_a_run_does_not_go_on_from_what_it_cannot_restore(run: RunDirectory, what: str) -> None:
    path = run.checkpoint("last")
    interrupt(run)
    edit(path, (WRONG_WEIGHTS | WRONG_RUN)[what])
    said = refusal(lambda: start(run))
    assert said.startswith(f"{path} ")
    assert said.endswith("; delete it and repeat the command to train from the beginning")
    assert run.status["reason"] == said


@pytest.mark.parametrize("what", list(damage.ANY_FILE))
def test_a_damaged_file_is_refused_by_all(run: RunDirectory, what: str) -> None:
    path = run.checkpoint("last")
    damage.ANY_FILE[what](path)
    assert refusal(lambda: lossbench.load(run.path)).startswith(f"{path} ")
    run.result_path.unlink()
    assert refusal(lambda: start(run)).startswith(f"{path} ")


@pytest.mark.parametrize("way_out", ["delete", "force"])
def test_the_way_out_works(run: RunDirectory, tmp_path: Path, way_out: str) -> None:
    before = run.result()
    interrupt(run)
    damage.cut(run.checkpoint("last"))
    if way_out == "delete":
        run.checkpoint("last").unlink()
    again = plan_run(tmp_path / "runs", *WORDS, *(["force=true"] if way_out == "force" else []))
    assert before is not None
    assert start(again).metrics == before.metrics
    assert lossbench.load(again.path).evaluate()


def test_the_best_weights_are_needed_at_the_end(tmp_path: Path) -> None:
    words = (*WORDS, "evaluate=best")
    run = plan_run(tmp_path, *words)
    start(run)
    run.result_path.unlink()
    edit(run.checkpoint("last"), entry("is_best", False))
    edit(run.checkpoint("best"), WRONG_WEIGHTS["another model"])
    said = refusal(lambda: start(run))
    assert said.startswith(f"{run.checkpoint('best')} does not fit the model (")
    run.checkpoint("best").unlink()
    assert refusal(lambda: start(run)).startswith(f"{run.checkpoint('best')} does not exist; keep_checkpoints")
    assert start(plan_run(tmp_path, *words, "force=true")).steps == 8


@pytest.mark.parametrize("what", [what for what in damage.ANY_FILE if what != "flipped"])
def test_damaged_predictions_are_one_line(run: RunDirectory, what: str) -> None:
    damage.ANY_FILE[what](run.predictions_path)
    assert refusal(lambda: lossbench.load(run.path).predictions).startswith(f"{run.predictions_path} ")


@pytest.mark.parametrize("change", [
    {"test_ids": None}, {"test_ids": np.arange(3)}, {"val_targets": np.zeros((2, 2))}, {"test_outputs": np.zeros(4)},
    {"test_ids": np.array([{}], dtype=object)},
])  # fmt: skip
def test_predictions_of_other_arrays_are_one_line(run: RunDirectory, change: dict[str, Any]) -> None:
    arrays = {**lossbench.load(run.path).predictions, **change}
    np.savez(run.predictions_path, **{name: array for name, array in arrays.items() if array is not None})
    assert refusal(lambda: lossbench.load(run.path).predictions).startswith(f"{run.predictions_path} cannot be read (")
