"""Whatever a configuration says, its loggers, callbacks and profiler write inside the run directory."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import plan_run
from made_runs import make_arm
from records import record_with

from lossbench.cli import report
from lossbench.config.build import check_targets
from lossbench.config.inside import check_inside
from lossbench.config.verify import verify_config
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_yaml
from lossbench.training.trainer import make_loggers
from lossbench.vectorized.checkpoint import saved_stacks

OUTSIDE = (
    "/tmp/outside", "../outside", "a/../../outside", "~/outside", "$HOME/outside", "file:///tmp/out",
    "file:outside",
    "sqlite:////tmp/x.db", "s3://bucket/x", "memory://x", "nul\0l",
    "http://../../../outside", "http:/../../outside", "{epoch}/../..", "{val/loss:.2f}/../..",
)  # fmt: skip
INSIDE = (
    "",
    "csv",
    "a/b",
    "val/nll",
    "{epoch}-{val/loss:.2f}",
    "{epoch:03d}/{step:g}",
    "a/../b",
    "https://tracking.example",
    "min",
    "..a",
    "x: y",
)
CSV: dict[str, Any] = {"_target_": "pytorch_lightning.loggers.CSVLogger", "name": "csv"}
KEYS = (
    ("logger.csv", "name"), ("logger.csv", "version"), ("logger.csv", "save_dir"), ("logger.mlflow", "tracking_uri"),
    ("callbacks.best", "dirpath"), ("callbacks.best", "filename"), ("profiler", "dirpath"), ("profiler", "filename"),
)  # fmt: skip


@pytest.mark.parametrize("text", OUTSIDE)
@pytest.mark.parametrize(("node", "key"), KEYS)
def test_a_path_that_leads_out_is_refused(node: str, key: str, text: str) -> None:
    with pytest.raises(UserError, match=rf"^{node}\.{key}=.* leads out of the run directory"):
        check_inside(record_with((node, {"_target_": "x.X", key: text})))
    with pytest.raises(UserError, match=rf"^{node}\.more\[0\]\.{key}=.* leads out"):
        check_inside(record_with((node, {"_target_": "x.X", "more": [{key: text}]})))


@pytest.mark.parametrize(
    "text",
    [
        "{step:c}home{step:c}u", "{epoch:c}{epoch:c}{step:c}outside", "{step:/<9}", "{step:{epoch}}", "{../../outside}",
        "{/outside}", "{epoch.real}", "{epoch[0]}", "{epoch!r}", "{}", "{{epoch}}", "{epoch", "epoch}",
    ],
)  # fmt: skip
def test_braces_hold_a_metric_and_the_format_of_a_number(text: str) -> None:
    """Lightning fills the name of a checkpoint with str.format, which can write any character."""
    with pytest.raises(UserError, match=r"^callbacks\.best\.filename=.* is refused: braces hold a metric"):
        check_inside(record_with(("callbacks.best", {"_target_": "x.X", "filename": text})))


@pytest.mark.parametrize("text", INSIDE)
def test_other_texts_are_left_alone(text: str) -> None:
    check_inside(record_with(*((node, {"_target_": "x.X", key: text}) for node, key in KEYS)))


@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("model", "pytorch_lightning.loggers.WandbLogger"),
        ("loss", "pytorch_lightning.callbacks.ModelCheckpoint"),
        ("data", "pytorch_lightning.profilers.SimpleProfiler"),
        ("optimizer", "pytorch_lightning.strategies.DDPStrategy"),
        ("logger", "pytorch_lightning.callbacks.ModelCheckpoint"),
        ("callbacks", "torch.nn.Linear"),
        ("profiler", "pytorch_lightning.loggers.CSVLogger"),
    ],
)
def test_what_writes_is_built_in_its_place_alone(where: str, target: str) -> None:
    with pytest.raises(UserError, match=rf"^{where}(\.x)?\._target_={target} is refused"):
        check_targets(
            {where: {"x": {"_target_": target}} if where in ("logger", "callbacks") else {"_target_": target}}
        )


def files_outside(root: Path, run: RunDirectory) -> set[Path]:
    return {path for path in root.rglob("*") if run.path not in (path, *path.parents)}


def test_a_received_run_writes_inside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger and a profiler with places of their own, in a directory of another tree."""
    planned = plan_run(tmp_path / "sent", "data=toy", "trainer.max_steps=4")
    received = RunDirectory(tmp_path / "inbox" / planned.path.parent.name / planned.path.name)
    shutil.copytree(planned.path, received.path)
    nodes = {
        "logger": {"csv": {**CSV, "name": "a/b", "version": "v"}},
        "profiler": {"_target_": "pytorch_lightning.profilers.SimpleProfiler", "filename": "p"},
    }
    write_yaml(received.path / "config.yaml", {**planned.record, **nodes})
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    before = files_outside(tmp_path, received)
    start(RunDirectory(received.path))
    assert files_outside(tmp_path, received) == before
    assert (received.path / "a" / "b" / "v" / "metrics.csv").exists()
    assert list(received.path.glob("fit-p*.txt"))


def test_an_edited_logger_that_leads_out_does_not_run(tmp_path: Path) -> None:
    run = plan_run(tmp_path / "runs", "data=toy")
    write_yaml(run.path / "config.yaml", {**run.record, "logger": {"csv": {**CSV, "name": "../../../out"}}})
    with pytest.raises(UserError, match=r"^logger\.csv\.name=.* leads out of the run directory"):
        start(RunDirectory(run.path))
    assert not (run.path / "train.log").exists()


@pytest.mark.parametrize("name", ["metrics.csv", "train.log", "checkpoints", "deep/er/link", "status.json"])
def test_a_link_that_leads_out_is_never_written_through(tmp_path: Path, name: str) -> None:
    run = plan_run(tmp_path / "runs", "data=toy")
    place, precious = run.path / name, tmp_path / "precious"
    precious.write_text("mine")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(precious)
    for use in (lambda: verify_config(run), lambda: start(run), lambda: plan_run(tmp_path / "runs", "data=toy")):
        with pytest.raises(UserError, match="is a link that leads out of its run directory") as caught:
            use()
        assert str(place) in str(caught.value)
    assert precious.read_text() == "mine"
    plan_run(tmp_path / "runs", "data=toy", "force=true").verify()


@pytest.mark.parametrize("level", ["study", "arm", "run"])
def test_no_folder_of_a_run_is_a_link_that_leads_out(tmp_path: Path, level: str) -> None:
    run, precious = plan_run(tmp_path / "runs", "data=toy"), tmp_path / "precious"
    place = {"study": run.path.parents[1], "arm": run.path.parent, "run": run.path}[level]
    place.rename(precious)
    place.symlink_to(precious)
    before = sorted((path, path.stat().st_mtime_ns) for path in precious.rglob("*"))
    uses = [
        lambda: plan_run(tmp_path / "runs", "data=toy"),
        lambda: plan_run(tmp_path / "runs", "data=toy", "force=true"),
    ]
    if level != "study":  # a run that was moved lies in any folder
        uses += [lambda: start(RunDirectory(run.path)), lambda: verify_config(RunDirectory(run.path))]
    for use in uses:
        with pytest.raises(UserError, match=f"^{place} is a link that leads out of {place.parent}; "):
            use()
    assert sorted((path, path.stat().st_mtime_ns) for path in precious.rglob("*")) == before


def test_the_folder_of_all_runs_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "runs").symlink_to("scratch")
    verify_config(plan_run(tmp_path / "runs", "data=toy"))
    assert list((tmp_path / "scratch").rglob("config.yaml"))


@pytest.mark.parametrize("name", [".slurm", ".slurm/array", ".stacks", "../mlflow.db"])
def test_what_lies_beside_the_runs_is_no_link_that_leads_out(tmp_path: Path, name: str) -> None:
    run = plan_run(tmp_path / "runs", "data=toy")
    place = Path(os.path.normpath(run.path.parents[1] / name))
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "precious")
    mlflow = {"logger": {"mlflow": {"_target_": "pytorch_lightning.loggers.MLFlowLogger"}}}
    write_yaml(run.path / "config.yaml", {**run.record, **mlflow})
    uses: dict[str, Callable[[], object]] = {
        ".slurm": lambda: JobArrays([run]),
        ".slurm/array": lambda: JobArrays([run]),
        ".stacks": lambda: list(saved_stacks(run.path.parents[1])),
        "../mlflow.db": lambda: make_loggers(RunDirectory(run.path).config, run, None, None),
    }
    with pytest.raises(UserError, match=f"^{place} is a link that leads out of {place.parent}; "):
        uses[name]()


def test_a_link_inside_a_run_is_no_reason_to_refuse_it(tmp_path: Path) -> None:
    run = plan_run(tmp_path / "runs", "data=toy")
    (run.path / "latest").symlink_to("config.yaml")
    verify_config(run)
    os.mkfifo(run.path / "pipe")
    with pytest.raises(UserError, match="pipe is neither a file nor a folder"):
        verify_config(run)


@pytest.mark.parametrize("what", ["reports", "figures"])
def test_a_report_follows_no_link_out_of_its_study(tmp_path: Path, what: str) -> None:
    study, outside = tmp_path / "in" / "study", tmp_path / "outside"
    make_arm(study, "power", [0.9, 0.8])
    outside.mkdir()
    if what == "reports":
        (study / "reports").symlink_to(outside)
    else:
        report.main([str(study)])
        (folder,) = (study / "reports").iterdir()
        shutil.rmtree(folder / "figures")
        (folder / "figures").symlink_to(outside)
    with pytest.raises(UserError, match=r"is a link that leads out of .*; remove it, or name a folder with --out"):
        report.main([str(study)])
    assert list(outside.iterdir()) == []
