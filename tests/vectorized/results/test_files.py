"""The files of stacked runs: those of the same runs one at a time."""

import csv

import numpy as np
import pytest
import torch
from run_files import arrays, result_of
from sweeping import VECTORIZED, directories, sweep
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lossbench
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory

SWEEP = (
    "data=digits",
    "data.images_per_class=100",
    "trainer.max_steps=40",
    "log_every_n_steps=5",
    "loss=cross_entropy,cosine_xent,power",
    "optimizer.lr=0.003,0.01",
    "seed=0,1",
)
# What cannot be the same: when, how fast and with what it was made.
VOLATILE = {"seconds", "peak_memory_mb", "engine", "stacked_runs", "command", "versions", "git"}


def rows(run: RunDirectory) -> list[tuple[str, str, str, float]]:
    with open(run.metrics_path, newline="") as file:
        return [(row["step"], row["epoch"], row["name"], float(row["value"])) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, RunDirectory], dict[str, RunDirectory]]:
    """The same sweep through both launchers: vectorised, one by one."""
    found = []
    for name, words in (("vectorized", (VECTORIZED,)), ("basic", ())):
        runs = tmp_path_factory.mktemp(name)
        done = sweep(*SWEEP, *words, runs=runs)
        assert (done.returncode, done.stderr) == (0, "")
        found.append(directories(runs))
    return found[0], found[1]


def test_both_launchers_leave_the_same_directories(
    pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]],
) -> None:
    ours, theirs = pair
    assert ours.keys() == theirs.keys()
    assert len(ours) == 12
    for name, run in ours.items():
        assert run.record == theirs[name].record
        assert files_of(run) == files_of(theirs[name])
        assert {path.name for path in (run.path / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
        assert run.status["status"] == "done"


def files_of(run: RunDirectory) -> set[str]:
    return {path.name for path in run.path.iterdir()}


def test_both_launchers_find_the_same_results(pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]]) -> None:
    ours, theirs = pair
    for name, run in ours.items():
        mine, its = (result_of(each).to_json() for each in (run, theirs[name]))
        assert mine.pop("stack_step")["engine"] == "eager"
        assert mine.keys() - {"stacked_runs"} == its.keys()
        for measured in ("metrics", "half_width_95"):
            assert mine.pop(measured) == pytest.approx(its.pop(measured), abs=1e-4)
        assert mine.pop("scale") == pytest.approx(its.pop("scale"), rel=1e-3)
        for key in mine.keys() - VOLATILE:
            assert mine[key] == its[key], key
        (left_out,) = mine["left_out"]
        for each in (run, theirs[name]):
            assert f"data: {left_out}\n" in each.log_path.read_text()


def test_both_launchers_write_the_same_history(pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]]) -> None:
    ours, theirs = pair
    for name, run in ours.items():
        mine, its = rows(run), rows(theirs[name])
        assert [row[:3] for row in mine] == [row[:3] for row in its]
        for (*where, value), (*_, other) in zip(mine, its, strict=True):
            if where[2] != "train/steps_per_second":
                assert value == pytest.approx(other, abs=2e-4), where


def test_both_launchers_write_the_same_checkpoints(
    pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]],
) -> None:
    ours, theirs = pair
    for name, run in ours.items():
        for which in ("last", "best"):
            mine, its = (torch.load(each.checkpoint(which), weights_only=True) for each in (run, theirs[name]))
            assert mine["state_dict"].keys() == its["state_dict"].keys()
            assert mine.keys() <= its.keys()
            for entry in ("global_step", "epoch", "should_stop"):
                assert mine[entry] == its[entry], entry
            assert 0 < mine["history_bytes"] < run.metrics_path.stat().st_size
            torch.testing.assert_close(mine["state_dict"], its["state_dict"], rtol=0, atol=1e-4)


def test_both_launchers_save_the_same_predictions(
    pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]],
) -> None:
    ours, theirs = pair
    for name, run in ours.items():
        mine, its = arrays(run), arrays(theirs[name])
        assert set(mine) == set(its)
        for key, array in mine.items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(array, its[key], atol=1e-3)
            else:
                assert (array == its[key]).all()


def test_tensorboard_has_the_scalars_and_the_settings(
    pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]],
) -> None:
    ours, theirs = pair
    for name in list(ours)[:3]:
        mine, its = (EventAccumulator(str(each[name].path / "tensorboard")).Reload() for each in (ours, theirs))
        assert set(mine.Tags()["scalars"]) == set(its.Tags()["scalars"])
        for tag in ("val/accuracy", "test/nll", "train/loss"):
            assert mine.Scalars(tag)[-1].step == its.Scalars(tag)[-1].step
            assert mine.Scalars(tag)[-1].value == pytest.approx(its.Scalars(tag)[-1].value, abs=1e-3)
        assert "_hparams_/session_start_info" in mine.summary_metadata


def test_a_stacked_run_loads_evaluates_and_is_taken_up_by_lightning(
    pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]],
) -> None:
    run = next(iter(pair[0].values()))
    before = result_of(run)
    loaded = lossbench.load(run.path)
    assert loaded.evaluate("test")["accuracy"].value == pytest.approx(before.metrics["test/accuracy"])
    run.result_path.unlink()
    again = start(run)  # trained to the end already: only measured
    assert again.engine == "lightning"
    assert again.steps == before.steps
    assert again.metrics == pytest.approx(before.metrics, abs=1e-6)
