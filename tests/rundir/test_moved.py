"""A class of lossbench moves to another module: the same command finds and resumes the run of the former place."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest

import lossbench
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_yaml
from lossbench.training.task import TrainingTask

WORDS = ("data=toy", "trainer.max_epochs=2", "data.steps_per_epoch=5", "figures=false", "trainer.threads=1")
FORMER = {"model": ("linear", "Linear"), "data": ("toy", "Toy")}
FORMER_TARGETS = tuple(
    f"{group}._target_=lossbench.{room}.former_{module}.{name}"
    for group, room in (("model", "models"), ("data", "data"))
    for module, name in [FORMER[group]]
)
Plan = Callable[..., RunDirectory]


@contextmanager
def former_modules(folder: Path) -> Iterator[None]:
    """While the block runs, lossbench.models and lossbench.data have copies of their modules under former names."""
    with pytest.MonkeyPatch.context() as patch:
        for room, (module, _) in (("models", FORMER["model"]), ("data", FORMER["data"])):
            package = import_module(f"lossbench.{room}")
            source = Path(str(package.__file__)).with_name(f"{module}.py")
            copy = folder / room / f"former_{module}.py"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(source.read_text())
            patch.setattr(package, "__path__", [*package.__path__, str(copy.parent)])
        invalidate_caches()
        yield
    for room, (module, _) in (("models", FORMER["model"]), ("data", FORMER["data"])):
        sys.modules.pop(f"lossbench.{room}.former_{module}", None)
        vars(import_module(f"lossbench.{room}")).pop(f"former_{module}", None)


def result_of(run: RunDirectory) -> dict[str, Any]:
    return json.loads(run.result_path.read_text())


def targets(run: RunDirectory) -> list[str]:
    record = RunDirectory(run.path).record
    return [record[group]["_target_"] for group in FORMER]


def test_a_done_run_is_found_and_loads(planned: Plan, tmp_path: Path) -> None:
    with former_modules(tmp_path):
        old = planned(*WORDS, *FORMER_TARGETS)
        assert targets(old) == ["lossbench.models.former_linear.Linear", "lossbench.data.former_toy.Toy"]
        start(old)
    with pytest.raises(UserError, match=r"_target_=lossbench\.\w+\.former_\w+\.\w+ does not exist"):
        lossbench.load(old.path)
    result = old.result_path.read_bytes()
    found = planned(*WORDS)
    assert (found.path, found.result_path.read_bytes()) == (old.path, result)
    assert targets(found) == ["lossbench.models.linear.Linear", "lossbench.data.toy.Toy"]
    assert type(lossbench.load(found.path).model).__module__ == "lossbench.models.linear"


def test_an_interrupted_run_goes_on(planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = planned(*WORDS, "study=whole")
    start(whole)

    on_train_epoch_start = TrainingTask.on_train_epoch_start

    def stop(task: TrainingTask) -> None:
        if task.current_epoch == 1:
            raise UserError("stopped by the test")
        on_train_epoch_start(task)

    with former_modules(tmp_path), monkeypatch.context() as patch:
        old = planned(*WORDS, *FORMER_TARGETS)
        patch.setattr(TrainingTask, "on_train_epoch_start", stop)
        with pytest.raises(UserError, match="stopped by the test"):
            start(old)
    found = planned(*WORDS)
    assert found.path == old.path
    start(found)
    result = result_of(found)
    assert (result["resumed_at"], result["metrics"]) == (5, result_of(whole)["metrics"])


def test_settings_that_change_no_number_stay_as_they_were(planned: Plan, tmp_path: Path) -> None:
    with former_modules(tmp_path):
        old = planned(*WORDS, *FORMER_TARGETS, "progress_bar=false").record
    found = planned(*WORDS, "progress_bar=auto").record
    assert found == {
        **old,
        "model": {**old["model"], "_target_": "lossbench.models.linear.Linear"},
        "data": {**old["data"], "_target_": "lossbench.data.toy.Toy"},
    }


@pytest.mark.parametrize("version", [None, 1])
def test_a_directory_of_an_earlier_version_is_refused_in_one_line(planned: Plan, version: int | None) -> None:
    run = planned(*WORDS)
    record = {key: value for key, value in run.record.items() if key != "result_version"}
    write_yaml(run.path / "config.yaml", record if version is None else {**record, "result_version": version})
    line = rf"^\S+config\.yaml is of another version of lossbench \(result_version {version}, 3 here\); start"
    for refuse in (lambda: lossbench.load(run.path), lambda: start(RunDirectory(run.path)), lambda: planned(*WORDS)):
        with pytest.raises(UserError, match=line):
            refuse()


def test_a_report_compares_runs_of_both_places(planned: Plan, tmp_path: Path) -> None:
    with former_modules(tmp_path):
        old = planned(*WORDS, *FORMER_TARGETS, "loss=cross_entropy")
        start(old)
    new = planned(*WORDS, "loss=cosine_prob")
    start(new)
    assert lossbench.compare([old.path, new.path], metric="test/cross_entropy").verdicts.keys() == {"cosine_prob"}


def test_a_report_refuses_results_of_another_version(planned: Plan) -> None:
    run = planned(*WORDS)
    start(run)
    result = result_of(run)
    del result["params"]["result_version"]
    run.result_path.write_text(json.dumps(result))
    with pytest.raises(UserError, match=r"was made by another version of lossbench \(result_version None, \d+ here\)"):
        lossbench.compare(run.path)
