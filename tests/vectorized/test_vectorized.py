"""hydra/launcher=vectorized as a user types it: the same directories as one run at a time, only sooner."""

import csv
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from records import config_with
from run_files import result_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typed import assert_one_line, command, start_command, wait_until

import lossbench
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.vectorized.checkpoint import save_stack
from lossbench.vectorized.eligible import why_not
from lossbench.vectorized.train import StackedRuns

TRAIN = str(ROOT / "train.py")
VECTORIZED = "hydra/launcher=vectorized"
QUIET = "hydra.sweeper.report=false"
SWEEP = (
    "data=digits",
    "trainer.max_steps=40",
    "log_every_n_steps=5",
    "loss=cross_entropy,cosine_xent,power",
    "optimizer.lr=0.003,0.01",
    "seed=0,1",
)
# What cannot be the same: when, how fast and with what it was made.
VOLATILE = {"seconds", "peak_memory_mb", "engine", "stacked_runs", "command", "weights_sha256"}


def sweep(*words: str, runs: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return command(TRAIN, "-m", *words, QUIET, runs=runs, env=env)


def directories(runs: Path) -> dict[str, RunDirectory]:
    return {str(path.parent.relative_to(runs)): RunDirectory(path.parent) for path in sorted(runs.rglob("config.yaml"))}


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
        other = theirs[name]
        assert run.record == other.record
        files = {path.name for path in run.path.iterdir()}
        assert files == {path.name for path in other.path.iterdir()}
        assert {path.name for path in (run.path / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
        assert run.status["status"] == "done"
        mine, its = (result_of(each).to_json() for each in (run, other))
        assert mine.keys() - {"stacked_runs"} == its.keys()
        assert mine["metrics"] == pytest.approx(its["metrics"], abs=1e-4)
        assert mine["half_width_95"] == pytest.approx(its["half_width_95"], abs=1e-4)
        same = mine.keys() - VOLATILE - {"metrics", "half_width_95", "scale", "versions", "git", "stacked_runs"}
        assert {key: mine[key] for key in same} == {key: its[key] for key in same}
        assert mine["scale"] == pytest.approx(its["scale"], rel=1e-3)


def test_both_launchers_write_the_same_history(pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]]) -> None:
    ours, theirs = pair
    for name, run in ours.items():
        mine, its = rows(run), rows(theirs[name])
        assert [row[:3] for row in mine] == [row[:3] for row in its]
        for (*where, value), (*_, other) in zip(mine, its, strict=True):
            if where[2] != "train/steps_per_second":
                assert value == pytest.approx(other, abs=2e-4), where


def test_both_launchers_write_the_same_weights_and_predictions(
    pair: tuple[dict[str, RunDirectory], dict[str, RunDirectory]],
) -> None:
    ours, theirs = pair
    for name, run in ours.items():
        for which in ("last", "best"):
            mine, its = (torch.load(each.checkpoint(which), weights_only=True) for each in (run, theirs[name]))
            assert mine["state_dict"].keys() == its["state_dict"].keys()
            assert mine["global_step"] == its["global_step"]
            torch.testing.assert_close(mine["state_dict"], its["state_dict"], rtol=0, atol=1e-4)
        with np.load(run.predictions_path) as arrays, np.load(theirs[name].predictions_path) as others:
            assert set(arrays) == set(others)
            for key in arrays:
                if arrays[key].dtype.kind == "f":
                    np.testing.assert_allclose(arrays[key], others[key], atol=1e-3)
                else:
                    assert (arrays[key] == others[key]).all()


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


@pytest.mark.slow
def test_the_best_weights_are_tested_where_that_is_asked(tmp_path: Path) -> None:
    words = (
        "data=digits",
        "model=linear",
        "optimizer.lr=0.3",
        "trainer.max_epochs=6",
        "evaluate=best",
        "keep_checkpoints=best",
        "seed=0,1",
    )
    for name, more in (("ours", (VECTORIZED,)), ("theirs", ())):
        assert sweep(*words, *more, runs=tmp_path / name).returncode == 0
    ours, theirs = directories(tmp_path / "ours"), directories(tmp_path / "theirs")
    for name, run in ours.items():
        mine, its = result_of(run).metrics, result_of(theirs[name]).metrics
        assert mine["test/accuracy"] == its["test/accuracy"]
        assert mine == pytest.approx(its, abs=1e-2)
        assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["best.ckpt"]
        last = [row for row in rows(run) if row[2] == "val/accuracy"]
        assert mine["val/accuracy"] == pytest.approx(max(value for *_, value in last))


MODULES = """
import torch
from torch import nn
from lossbench.losses import CrossEntropy

class Exploding(CrossEntropy):
    def __init__(self, factor=1.0, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "factor", factor)
    def per_example(self, logits, target):
        return super().per_example(logits, target) * self.factor

class ConvNet(nn.Sequential):
    def __init__(self, num_classes=10, weight=None):
        convolution, norm = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        super().__init__(convolution, norm, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))

class Counting(nn.Sequential):
    def __init__(self, num_classes=10, weight=None):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
    def forward(self, inputs):
        return super().forward(inputs) if inputs.sum().item() > -1 else inputs
"""


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """A user's own modules."""
    (tmp_path / "own_modules.py").write_text(MODULES)
    return {"PYTHONPATH": str(tmp_path), "LOSSBENCH_ALLOW": "own_modules"}


@pytest.mark.slow
def test_a_run_that_explodes_fails_and_the_others_go_on(tmp_path: Path) -> None:
    words = (
        "data=digits",
        "trainer.max_epochs=2",
        "optimizer=sgd",
        "optimizer.lr=0.1,1e30",
        "loss=cross_entropy,power",
        VECTORIZED,
    )
    done = sweep(*words, runs=tmp_path)
    assert_one_line(done.returncode, done.stderr, "2 of 4 runs failed")
    found = directories(tmp_path)
    states = {run.config.optimizer.lr: run.status for run in found.values()}
    assert states[0.1]["status"] == "done"
    assert "became nan or infinite" in states[1e30]["reason"]
    assert "lower learning rate" in states[1e30]["reason"]
    alone = sweep(
        "data=digits",
        "trainer.max_epochs=2",
        "optimizer=sgd",
        "optimizer.lr=0.1",
        "loss=cross_entropy,power",
        runs=tmp_path / "alone",
    )
    assert alone.returncode == 0
    for name, run in directories(tmp_path / "alone").items():
        assert result_of(run).metrics == pytest.approxresult_of((found[name]).metrics, abs=1e-4)


@pytest.mark.slow
def test_what_cannot_be_stacked_is_said_and_runs_one_by_one(tmp_path: Path, own: dict[str, str]) -> None:
    words = ("data=digits", "trainer.max_epochs=1", "seed=0,1", VECTORIZED)
    clipped = sweep(*words, "trainer.gradient_clip_val=1,null", runs=tmp_path / "a")
    assert clipped.returncode == 0, clipped.stderr
    assert "stack: 2 runs of mlp on digits" in clipped.stdout
    assert "one by one, 2 runs: trainer.gradient_clip_val=1: clipping works on one run's gradients" in clipped.stdout
    dropped = sweep(*words, "model=mlp", "model.dropout=0.5", runs=tmp_path / "b")
    assert dropped.returncode == 0, dropped.stderr
    assert "one by one, 2 runs: model=mlp cannot be mapped over runs" in dropped.stdout
    counting = sweep(
        *words, "model=linear", "model._target_=own_modules.Counting", "~model.bias", runs=tmp_path / "c", env=own
    )
    assert counting.returncode == 0, counting.stderr
    assert "one by one, 2 runs: model=linear cannot be mapped over runs" in counting.stdout
    for name in "abc":
        assert {run.status["status"] for run in directories(tmp_path / name).values()} == {"done"}


@pytest.mark.slow
def test_a_conv_net_with_batch_norm_goes_through_both_launchers(tmp_path: Path, own: dict[str, str]) -> None:
    words = (
        "data=digits",
        "trainer.max_epochs=1",
        "seed=0,1",
        "model=linear",
        "model._target_=own_modules.ConvNet",
        "~model.bias",
    )
    for name, more in (("ours", (VECTORIZED,)), ("theirs", ())):
        done = sweep(*words, "loss=cross_entropy,cosine_prob", *more, runs=tmp_path / name, env=own)
        assert done.returncode == 0, done.stderr
    ours, theirs = directories(tmp_path / "ours"), directories(tmp_path / "theirs")
    assert result_of(next(iter(ours.values()))).engine == "vectorized"
    for name, run in ours.items():
        assert result_of(run).metrics == pytest.approxresult_of((theirs[name]).metrics, abs=2e-3)


@pytest.mark.slow
def test_little_memory_makes_chunks_that_change_nothing(tmp_path: Path) -> None:
    words = (
        "data=digits",
        "model=mlp",
        "model.hidden=[512]",
        "trainer.max_steps=10",
        "loss=cross_entropy,power",
        "seed=range(6)",
        VECTORIZED,
    )
    whole = sweep(*words, runs=tmp_path / "whole")
    assert "stack: 12 runs" in whole.stdout
    small = sweep(*words, "hydra.launcher.memory_gb=0.01", runs=tmp_path / "small")
    assert small.returncode == 0, small.stderr
    assert "stack (2 of " in small.stdout
    few = sweep(*words, "hydra.launcher.max_runs=5", runs=tmp_path / "few")
    assert "stack (3 of 3): 2 runs" in few.stdout
    for other in ("small", "few"):
        for name, run in directories(tmp_path / other).items():
            mine = result_of(RunDirectory(tmp_path / "whole" / name)).metrics
            assert result_of(run).metrics == pytest.approx(mine, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("hydra.launcher.memory_gb=1e-6",), ("hydra.launcher.memory_gb: one run needs about", "are allowed or free")),
        (("hydra.launcher.memory_gb=-1",), ("hydra.launcher.memory_gb must be a number > 0",)),
        (("hydra.launcher.max_runs=0",), ("hydra.launcher.max_runs must be a whole number >= 1",)),
        (("hydra.launcher.max_run=2",), ("hydra.launcher.max_run does not exist", "did you mean max_runs?")),
    ],
)
def test_wrong_limits_are_one_line(tmp_path: Path, words: tuple[str, ...], mentions: tuple[str, ...]) -> None:
    done = sweep("data=digits", "seed=0,1", VECTORIZED, *words, runs=tmp_path)
    assert_one_line(done.returncode, done.stderr, *mentions)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_stack_goes_on(tmp_path: Path, sign: signal.Signals) -> None:
    words = (
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
    code = (
        "import sys; sys.argv = sys.argv[1:]; import lossbench.vectorized.work as work; work.SAVED_EVERY = 0.2;"
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    process = start_command("-c", code, TRAIN, *words, runs=tmp_path / "runs", output=subprocess.DEVNULL)
    wait_until(lambda: any((tmp_path / "runs").rglob(".stacks/*.ckpt")), process)
    time.sleep(1.0)
    process.send_signal(sign)
    process.wait()
    assert not list((tmp_path / "runs").rglob("result.json"))
    if sign in (said := {signal.SIGINT: (130, {"cancelled"}), signal.SIGTERM: (143, {"preempted"})}):
        assert (process.returncode, {run.status["status"] for run in directories(tmp_path / "runs").values()}) == said[
            sign
        ]
    again = command(TRAIN, *words, runs=tmp_path / "runs")
    assert (again.returncode, again.stderr) == (0, "")
    resumed = int(again.stdout.split("resuming at step ")[1].split(" ")[0])
    assert resumed > 0
    untouched = command(TRAIN, *words, runs=tmp_path / "untouched")
    assert untouched.returncode == 0
    for name, run in directories(tmp_path / "untouched").items():
        mine = RunDirectory(tmp_path / "runs" / name)
        assert result_of(mine).metrics == result_of(run).metrics
        assert result_of(mine).resumed_at == resumed
        assert [row for row in rows(mine) if row[2] != "train/steps_per_second"] == [
            row for row in rows(run) if row[2] != "train/steps_per_second"
        ]
    assert not list((tmp_path / "runs").rglob(".stacks/*.ckpt"))


@pytest.mark.slow
def test_force_does_not_go_on_from_an_interrupted_stack(tmp_path: Path) -> None:
    words = ("data=toy", "seed=0,1", "trainer.max_steps=20", "logger=none", VECTORIZED)
    assert sweep(*words, runs=tmp_path).returncode == 0
    runs = list(directories(tmp_path).values())
    parts = assemble(runs[0].config)
    stacked = StackedRuns([run.config for run in runs], parts, torch.device("cpu"))
    stacked.stack.train_step()
    save_stack(runs, stacked)
    again = sweep(*words, "force=true", runs=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "resuming" not in again.stdout
    assert not list(tmp_path.rglob(".stacks/*.ckpt"))


ADAM = {"name": "adam", "_target_": "torch.optim.Adam", "lr": 0.1, "betas": [0.9, 0.999], "amsgrad": False}
STOPPING = {"_target_": "pytorch_lightning.callbacks.EarlyStopping"}
PETS = {"_target_": "lossbench.data.images.pets.Pets"}
COUNTS = {"_target_": "lossbench.data.toys.ToyCounts"}
SCHEDULES = "lossbench.training.schedules"
DIGITS = ("data", {"name": "digits", "_target_": "lossbench.data.digits.Digits", "batch_size": 64})


@pytest.mark.parametrize(
    ("mention", "change"),
    [
        ("trainer.devices=2", ("trainer.devices", 2)),
        ("trainer.precision=bf16-mixed", ("trainer.precision", "bf16-mixed")),
        ("trainer.compile=True", ("trainer.compile", True)),
        ("checkpoint.every_n_steps=3", ("checkpoint.every_n_steps", 3)),
        ("profiler=x.Profiler", ("profiler", {"_target_": "x.Profiler"})),
        ("callbacks=early_stopping", ("callbacks.early_stopping", STOPPING)),
        ("augment:", ("augment.mixup", 0.2)),
        ("data=pets: images", ("data", {"name": "pets", "batch_size": 4, "root": "data", **PETS})),
        ("data=toy_counts: its task is count", ("data", {"name": "toy_counts", "batch_size": 4, **COUNTS})),
        ("scheduler=finetune", ("scheduler", {"name": "finetune", "_target_": f"{SCHEDULES}.Finetune"})),
        ("optimizer=rprop", ("optimizer", {"name": "rprop", "_target_": "torch.optim.Rprop", "lr": 1})),
        ("optimizer.amsgrad", ("optimizer.amsgrad", True)),
        ("logger=wandb", ("logger.wandb", {"_target_": "x.Wandb"})),
    ],
)
def test_reasons_name_the_key(mention: str, change: tuple[str, object]) -> None:
    good = (DIGITS, ("optimizer", ADAM), ("logger.tensorboard", {"_target_": "x.TensorBoard"}))
    assert why_not(config_with(*good)) is None
    reason = why_not(config_with(*good, change))
    assert reason is not None
    assert reason.startswith(mention), reason
