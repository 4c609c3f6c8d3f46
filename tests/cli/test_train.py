"""Commands as a user types them."""

import csv
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, plan_run
from photos import make_imagenet, make_pets
from run_files import result_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import metadata
from typed import PATIENCE, TYPED, assert_one_line, command, named_in, start_command, train, wait_until

from lossbench.cli.main import COMMANDS
from lossbench.errors import exit_on_user_error
from lossbench.job import start as job
from lossbench.rundir.directory import RunDirectory

HEAVY = {"torch", "torchvision", "pytorch_lightning", "torchmetrics"}


def training_losses(run: RunDirectory) -> dict[int, float]:
    """Step -> train/loss."""
    with open(run.metrics_path, newline="") as file:
        return {int(row["step"]): float(row["value"]) for row in csv.DictReader(file) if row["name"] == "train/loss"}


# -- the golden runs


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """`python train.py` alone."""
    return train(runs=tmp_path_factory.mktemp("golden") / "runs")


def test_the_command_alone_is_the_published_toy_run(golden: RunDirectory) -> None:
    assert result_of(golden).metrics["test/cross_entropy"] == pytest.approx(0.0159, abs=1e-4)
    losses = training_losses(golden)
    published = {0: 1.03072, 1000: 0.37062, 2000: 0.11325, 3000: 0.05045, 4000: 0.02649}
    assert {step: losses[step] for step in published} == pytest.approx(published, abs=1e-4)


@pytest.mark.slow
def test_an_experiment_is_the_published_cross_entropy_run(tmp_path: Path) -> None:
    run = train("experiment=toy_cross_entropy", runs=tmp_path / "runs")
    losses = training_losses(run)
    published = {0: 1.66132, 1000: 0.56661, 2000: 0.21057, 3000: 0.09623, 4000: 0.05014}
    assert {step: losses[step] for step in published} == pytest.approx(published, abs=1e-4)
    assert result_of(run).metrics["test/cosine_prob"] == pytest.approx(0.0266, abs=1e-4)
    assert result_of(run).study == "toy"


def test_the_directory_holds_the_run_contract(golden: RunDirectory) -> None:
    promised = (
        "config.yaml status.json result.json metrics.csv predictions.npz train.log "
        "checkpoints/last.ckpt checkpoints/best.ckpt"
    )
    assert [name for name in promised.split() if not (golden.path / name).is_file()] == []
    assert not (golden.path / "lock.json").exists()
    assert list(golden.path.rglob("*.tmp")) == []
    assert golden.metrics_path.read_text().splitlines()[0] == "step,epoch,name,value"
    assert golden.status["status"] == "done"
    assert golden.status["pid"] != os.getpid()
    assert "epoch 10 of 10  step 5000" in golden.log_path.read_text()


def test_result_json_says_everything(golden: RunDirectory) -> None:
    result = result_of(golden)
    told = {
        key: result.to_json()[key]
        for key in ("status", "seed", "loss", "data", "model", "engine", "steps", "epochs", "study")
    }
    assert told == {
        "status": "done",
        "seed": 0,
        "loss": "cosine_prob",
        "data": "toy",
        "model": "linear",
        "engine": "lightning",
        "steps": 5000,
        "epochs": 10,
        "study": "default",
    }
    assert result.command == [str(ROOT / "train.py")]
    assert result.n == {"val": 4, "test": 4}
    assert {
        "test/accuracy",
        "test/cross_entropy",
        "val/accuracy",
        "test/nll",
        "test/brier",
        "test/ece",
    } <= result.metrics.keys()


def test_result_json_tells_what_made_it(golden: RunDirectory) -> None:
    result = result_of(golden)
    assert result.hash.startswith(golden.path.parent.name.rpartition("-")[2])
    assert result.params["loss.alpha"] == 0.9
    assert result.fingerprint == golden.config.fingerprint
    assert result.seconds > 0
    assert result.peak_memory_mb > 50
    assert result.versions.keys() >= {"python", "torch", "pytorch-lightning", "lossbench"}
    assert re.fullmatch(r"[0-9a-f]{40}", result.git.get("commit", "0" * 40))


def test_tensorboard_reads_the_scalars(golden: RunDirectory) -> None:
    board = EventAccumulator(str(golden.path / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    written = {event.step: event.value for event in board.Scalars("train/loss")}
    assert written == pytest.approx(training_losses(golden), rel=1e-6)
    assert board.Scalars("test/cross_entropy")[-1].step == 5000
    assert board.Scalars("test/cross_entropy")[-1].value == pytest.approx(
        result_of(golden).metrics["test/cross_entropy"]
    )
    assert {"train/learning_rate", "train/gradient_norm", "train/steps_per_second", "val/accuracy"} <= set(
        board.Tags()["scalars"]
    )


def test_tensorboards_hparams_tab_is_filled(golden: RunDirectory) -> None:
    files = sorted((golden.path / "tensorboard").glob("events.*"))
    found = {
        value.tag: value.metadata.plugin_data.content
        for file in files
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    }
    given = metadata.parse_session_start_info_plugin_data(found["_hparams_/session_start_info"]).hparams
    assert given["loss.alpha"].number_value == 0.9
    assert given["loss.name"].string_value == "cosine_prob"
    # One that lists settings would be taken for the list of all runs of a sweep.
    assert "_hparams_/experiment" not in found
    scalars = EventAccumulator(str(golden.path / "tensorboard")).Reload().Tags()["scalars"]
    assert {"val/accuracy", "test/accuracy", "test/cross_entropy"} <= set(scalars)


# -- what costs nothing imports nothing


def imported(*words: str, runs: Path) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run a command and list the modules it imported."""
    done = command("-X", "importtime", *words, runs=runs)
    return done, {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    }


def test_the_same_command_again_trains_nothing(golden: RunDirectory) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in golden.path.rglob("*")}

    before = state()
    again, modules = imported(str(ROOT / "train.py"), runs=golden.path.parents[2])
    assert again.returncode == 0
    assert "this run is done already" in again.stdout
    assert re.search(r"cross_entropy \(nats\) +0\.0159", again.stdout)
    assert named_in(again.stdout) == golden
    assert state() == before
    assert "hydra" in modules
    assert modules & HEAVY == set()


def test_help_shows_groups_and_commands_and_imports_nothing_heavy(tmp_path: Path) -> None:
    shown, modules = imported("train.py", "--help", runs=tmp_path)
    assert shown.returncode == 0
    for group in (
        "callbacks",
        "data",
        "debug",
        "experiment",
        "logger",
        "loss",
        "model",
        "optimizer",
        "scheduler",
        "trainer",
    ):
        options = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        listed = re.search(rf"^{group}: (.+)$", shown.stdout, flags=re.MULTILINE)
        assert listed, group
        assert options <= set(listed[1].split(", "))
    typed = re.findall(r"^  lossbench\b.*$", shown.stdout, flags=re.MULTILINE)
    assert len(typed) == 4
    listed = shown.stdout.partition("Other commands")[2].partition("\n\n")[0]
    assert re.findall(r"^  ([a-z-]+) ", listed, flags=re.MULTILINE) == list(COMMANDS)
    assert modules & HEAVY == set()


def test_the_shell_completes(tmp_path: Path) -> None:
    line = "train.py loss=cosine_x"
    env = {**TYPED, "COMP_LINE": line, "COMP_POINT": str(len(line)), "LOSSBENCH_RUNS": str(tmp_path)}
    query = [sys.executable, "train.py", "-sc", "query=bash"]
    shown = subprocess.run(query, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["loss=cosine_xent", "loss=cosine_xent_head"]


# -- mistakes


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failed = command("train.py", runs=tmp_path / "file" / "runs")
    assert_one_line(failed.returncode, failed.stderr, f"cannot write {tmp_path / 'file' / 'runs'}", "LOSSBENCH_RUNS")


def test_the_job_command_reports_and_refuses(golden: RunDirectory, tmp_path: Path) -> None:
    reported = command("-m", "lossbench.job", str(golden.path), runs=tmp_path)
    assert reported.returncode == 0
    assert "this run is done already" in reported.stdout
    failed = command("-m", "lossbench.job", str(tmp_path), runs=tmp_path)
    assert_one_line(failed.returncode, failed.stderr, str(tmp_path), "not a run directory")


# -- damaged and hostile directories: the job command, in this process


Run = Callable[..., RunDirectory]


def job_fails(run: RunDirectory, capfd: pytest.CaptureFixture[str], *mentions: str) -> None:
    """Run a directory as python -m lossbench.job does; it must fail with one line."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as stopped:
        exit_on_user_error(lambda: job.start(RunDirectory(run.path)))
    assert isinstance(stopped.value.code, int)
    assert_one_line(stopped.value.code, capfd.readouterr().err, *mentions)
    assert not run.result_path.exists()


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


def test_a_hostile_checkpoint_is_refused(planned: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    proof, run = tmp_path / "executed", planned()
    attack = pickle.dumps({"state_dict": Hostile(proof)})
    pickle.loads(attack)
    assert proof.exists()  # the attack is a real one
    proof.unlink()
    run.checkpoint("last").parent.mkdir()
    run.checkpoint("last").write_bytes(attack)
    job_fails(run, capfd, "last.ckpt is refused")
    assert not proof.exists()
    assert run.status["status"] == "failed"
    assert "last.ckpt is refused" in run.status["reason"]


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"no checkpoint"]
)
def test_a_damaged_checkpoint_is_refused(
    planned: Run, capfd: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    run = planned("debug=one_batch")
    job.start(run)
    run.result_path.unlink()
    run.checkpoint("last").write_bytes(damage(run.checkpoint("last").read_bytes()))
    job_fails(run, capfd, "last.ckpt is refused", "delete it and repeat the command")
    run.checkpoint("last").unlink()
    assert job.start(RunDirectory(run.path)).steps == 1  # the advice works


def edit(run: RunDirectory, change: Callable[[dict[str, Any]], object]) -> None:
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    change(config)
    (run.path / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("change", "mention"),
    [
        (lambda config: config["loss"].update(alpha=0.5), "config.yaml does not belong to this directory"),
        (lambda config: config.update(seed=1), "config.yaml does not belong to this directory"),
        (lambda config: config["model"].update(_target_="os.system"), "model._target_=os.system is refused"),
        (
            lambda config: config.update(callbacks={"x": {"_target_": "builtins.eval"}}),
            "callbacks.x._target_=builtins.eval is refused",
        ),
        (
            lambda config: config.update(profiler={"_target_": "subprocess.run"}),
            "profiler._target_=subprocess.run is refused",
        ),
        (lambda config: config.pop("trainer"), "config.yaml lacks trainer"),
    ],
)
def test_an_edited_configuration_is_refused(
    planned: Run, capfd: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], object], mention: str
) -> None:
    run = planned()
    edit(run, change)
    job_fails(run, capfd, mention)


def test_an_edited_configuration_is_refused_by_train_py(golden: RunDirectory, tmp_path: Path) -> None:
    run = plan_run(tmp_path / "runs", "logger=tensorboard")
    assert run.path.parent.name == golden.path.parent.name
    edit(run, lambda config: config["optimizer"].update(lr=0.5))
    failed = command("train.py", runs=tmp_path / "runs")
    assert_one_line(failed.returncode, failed.stderr, "config.yaml does not belong to this directory")


# -- interruptions


@pytest.mark.slow
def test_ctrl_c_saves_the_step_and_the_same_command_finishes(golden: RunDirectory, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = RunDirectory(runs / golden.path.relative_to(golden.path.parents[2]))
    process = start_command("train.py", runs=runs)
    wait_until(run.checkpoint("last").exists, process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, (stdout, stderr)
    found = re.fullmatch(r"\nstopped at step (\d+) of 5000 \(SIGINT\); the same command goes on from there\n", stderr)
    assert found, stderr
    assert (run.status["status"], run.status["reason"]) == ("cancelled", stderr.strip())
    assert not (run.path / "lock.json").exists()
    again = command("train.py", runs=runs)
    assert again.returncode == 0
    assert f"resumed at step {found[1]} of 5000\n" in again.stdout
    assert result_of(run).metrics == result_of(golden).metrics


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_same_command_finishes(golden: RunDirectory, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    full = command("train.py", runs=runs, limits={"RLIMIT_FSIZE": 20_000})
    assert_one_line(full.returncode, full.stderr, f"cannot write {runs}", "free some space")
    run = RunDirectory(runs / golden.path.relative_to(golden.path.parents[2]))
    assert run.status["status"] == "failed"
    assert "cannot write" in run.status["reason"]
    train(runs=runs)
    assert result_of(run).metrics == result_of(golden).metrics
    assert "reason" not in run.status
    board = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    assert [event.step for event in board.Scalars("train/loss")] == sorted(training_losses(run))


# -- experiments, sweeps, several processes


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")))
def test_every_experiment_runs_one_batch_and_says_how_to(planned: Run, name: str, tmp_path: Path) -> None:
    header = (ROOT / "conf" / "experiment" / f"{name}.yaml").read_text()
    assert f"# Command: python train.py experiment={name}" in header
    assert "# Takes: " in header
    assert "# Expect: " in header
    assert job.start(planned(f"experiment={name}", "debug=one_batch", *photographs(name, tmp_path))).steps == 1


def photographs(experiment: str, folder: Path) -> tuple[str, ...]:
    """What an experiment on photographs needs here: a few small ones, and no pretrained weights."""
    common = (
        f"data.root={folder}",
        f"data.cache_dir={folder}/cache",
        "data.image_size=32",
        "data.num_workers=0",
        "model.stem=imagenet",
    )
    if experiment == "pets_losses":
        make_pets(folder, trainval=14)
        return (*common, "model.pretrained=false")
    if experiment.startswith("imagenet50"):
        make_imagenet(folder)
        return (*common, "data.images_per_class=10")
    if experiment == "which_loss":
        make_imagenet(folder)
        return (f"data.root={folder}/train", *common[1:4], "model.backbone.pretrained=false")
    return ()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small sweep typed in an empty folder; gives the folder and the runs."""
    folder, runs = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("swept") / "runs"
    done = command(str(ROOT / "train.py"), "-m", "debug=one_batch", "seed=0,1", runs=runs, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, runs


def test_a_sweep_makes_siblings_and_leaves_nothing_elsewhere(swept: tuple[Path, Path]) -> None:
    folder, runs = swept
    results = sorted(runs.rglob("result.json"))
    assert [path.parent.name for path in results] == ["seed0", "seed1"]
    assert len({path.parent.parent for path in results}) == 1
    assert [json.loads(path.read_text())["seed"] for path in results] == [0, 1]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_the_weights_of_two_processes_are_those_of_one_batch(tmp_path: Path) -> None:
    weights = "loss.weight=[1,1,1,1,1,1,1,1,1,50]"
    words = ("data=digits", "model=linear", "optimizer=sgd", "optimizer.lr=0.1", "loss=cross_entropy", weights)
    words += ("trainer.max_epochs=3", "log_every_n_steps=1")
    together = train(*words, "trainer=ddp_cpu", "trainer.accumulate_grad_batches=2", runs=tmp_path / "together")
    alone = plan_run(tmp_path / "alone", *words, "trainer=cpu")
    job.start(alone)
    assert result_of(together).metrics == pytest.approx(result_of(alone).metrics, abs=1e-4)
    ours, theirs = training_losses(together), training_losses(alone)
    assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.slow
def test_two_processes_measure_every_example_once(tmp_path: Path) -> None:
    runs, settings = tmp_path / "runs", ("data=digits", "loss=cosine_xent_head", "trainer.max_epochs=10")
    together = train(*settings, "trainer=ddp_cpu", runs=runs)
    assert [path.parent for path in runs.rglob("config.yaml")] == [together.path]
    alone = plan_run(tmp_path / "alone", *settings, "trainer=cpu")
    job.start(alone)
    ours, theirs = result_of(together), result_of(alone)
    assert ours.n == theirs.n
    assert ours.steps == theirs.steps
    with np.load(together.predictions_path) as arrays, np.load(alone.predictions_path) as single:
        assert (arrays["test_ids"] == single["test_ids"]).all()
        assert (arrays["test_targets"] == single["test_targets"]).all()
        accuracy = float((arrays["test_outputs"].argmax(1) == arrays["test_targets"]).mean())
    assert ours.metrics["test/accuracy"] == pytest.approx(accuracy, abs=1e-9)
    assert ours.metrics["test/accuracy"] == pytest.approx(theirs.metrics["test/accuracy"], abs=0.02)
    assert training_losses(together).keys() == training_losses(alone).keys()
    # The same weights, the same examples.
    assert training_losses(together)[0] == pytest.approx(training_losses(alone)[0], abs=0.02)


@pytest.mark.slow
def test_two_processes_train_on_photographs_like_one(tmp_path: Path) -> None:
    root = make_imagenet(tmp_path / "photos", classes=4, train=12, val=3)
    words = (
        "data=imagenet_subset",
        f"data.root={root}",
        f"data.cache_dir={tmp_path / 'cache'}",
        "data.images_per_class=12",
        "data.image_size=16",
    )
    words += (
        "data.batch_size=8",
        "data.num_workers=1",
        "model=mlp",
        "optimizer.lr=0.05",
        "trainer.max_epochs=3",
        "figures=false",
    )
    together, alone = (train(*words, f"trainer={name}", runs=tmp_path / name) for name in ("ddp_cpu", "cpu"))
    ours, theirs = result_of(together), result_of(alone)
    assert ours.n == theirs.n == {"val": 8, "test": 12}
    assert ours.steps == theirs.steps == 15
    assert ours.metrics == pytest.approx(theirs.metrics, abs=1e-5)
    first, second = (torch.load(run.checkpoint("last"), weights_only=True)["state_dict"] for run in (together, alone))
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in second)
