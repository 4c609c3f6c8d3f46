"""One damaged run directory is named in one line and left out; the others are reported, listed, drawn, planned."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest
from conftest import plan_run
from damage import ANY_FILE, OBJECTS, WRONG_VALUES, YAML, Damage, says, without_folder
from made_runs import change, make_arm

from lossbench.errors import UserError
from lossbench.report.records import read_records
from lossbench.rundir.directory import RunDirectory

SECONDS = 20  # a pipe that is waited for, or a file without end, takes for ever
JSON = {**ANY_FILE, **OBJECTS}
WRONG = {f"{name} {values}": (name, says(**values)) for name, each in WRONG_VALUES.items() for values in each}
Command = Callable[..., str]


@contextmanager
def soon() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"no answer in {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Command:
    """A command in this process: what it prints, in time."""

    def run(name: str, *words: object) -> str:
        capsys.readouterr()
        with soon():
            import_module(f"lossbench.cli.{name}").main([str(word) for word in words])
        return " ".join(capsys.readouterr().out.split())

    return run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    right = [k % 9 > 0 for k in range(40)]
    for loss in ("cross_entropy", "power"):
        make_arm(tmp_path / "runs" / "study", loss, [0.8, 0.9, 0.85], right=right)
    return tmp_path / "runs" / "study"


def bad(study: Path) -> Path:
    return next(study.glob("*-power-*/seed1"))


def in_file(name: str, damage: Damage) -> Damage:
    def on(run: Path) -> None:
        damage(run / name)

    return on


def in_each(names: Sequence[str], damages: Mapping[str, Damage]) -> dict[str, Damage]:
    return {f"{name} {what}": in_file(name, damage) for name in names for what, damage in damages.items()}


DAMAGES = in_each(("result.json", "status.json"), JSON)
DAMAGES |= {what: in_file(*pair) for what, pair in WRONG.items()}


@pytest.mark.parametrize("what", [what for what in DAMAGES if "flipped" not in what])
def test_status_names_it_and_counts_the_others(study: Path, typed: Command, what: str) -> None:
    DAMAGES[what](bad(study))
    printed = typed("status", study)
    assert printed.startswith("6 runs: 5 done, 1 damaged damaged ")
    assert printed.count(f"{bad(study)}/") == 1


@pytest.mark.parametrize("what", list(DAMAGES))
def test_a_record_of_it_holds_the_reason_or_is_whole(study: Path, what: str) -> None:
    """Flipped bytes may give another good file; whatever is read as good does for everything that reads it."""
    DAMAGES[what](bad(study))
    with soon():
        (record,) = read_records([bad(study)])
    assert record.state in ("damaged", "done")
    assert (record.result is None) == (record.state == "damaged")


@pytest.mark.parametrize("what", ["result.json cut", "result.json loop", "result.json pipe", "status.json folder"])
def test_the_report_names_it_and_has_the_others(study: Path, tmp_path: Path, typed: Command, what: str) -> None:
    DAMAGES[what](bad(study))
    printed = typed("report", study, "--out", tmp_path / "out")
    assert f"Not in this report: {bad(study)}/" in printed
    rows = (tmp_path / "out" / "records.csv").read_text()
    assert (rows.count(",done,"), rows.count(",damaged,")) == (5, 1)
    assert (tmp_path / "out" / "report.html").read_text().count(f"{bad(study)}/") >= 1


@pytest.mark.parametrize("what", list(ANY_FILE))
@pytest.mark.parametrize("name", ["metrics.csv", "predictions.npz"])
def test_a_damaged_history_takes_its_curve_alone(
    study: Path, tmp_path: Path, typed: Command, name: str, what: str
) -> None:
    ANY_FILE[what](bad(study) / name)
    printed = typed("report", study, "--out", tmp_path / "out")
    assert "power" in printed
    if what != "flipped":  # that may be in another metric
        assert printed.count(f"{bad(study) / name} cannot be read (") == 1


def test_a_study_of_damaged_runs_alone_says_what_is_wrong(study: Path, typed: Command) -> None:
    for path in study.rglob("result.json"):
        path.write_text("{}")
    with pytest.raises(UserError, match=r"none of the 6 runs .* is done \(damaged\); .*result\.json lacks seed"):
        typed("report", study)


def test_links_that_lead_back_are_followed_once(study: Path, typed: Command) -> None:
    (study / "again").symlink_to(".")
    (study / "self").symlink_to("self")
    (bad(study).parent / "seed9").symlink_to(bad(study))
    assert typed("status", study.parent, study) == "6 runs: 6 done"


def test_a_folder_that_may_not_be_read_is_named(study: Path, typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir, closed = os.scandir, bad(study)

    def refuse(folder: Path) -> object:
        if Path(folder) == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    def refuse_list(folder: Path) -> object:
        return [entry.name for entry in refuse(folder)]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]

    monkeypatch.setattr("lossbench.report.records.os.scandir", refuse)
    monkeypatch.setattr("lossbench.report.records.os.listdir", refuse_list)
    printed = typed("status", study)
    assert printed.startswith(f"6 runs: 5 done, 1 damaged damaged {closed} cannot be read (Permission denied)")


@pytest.fixture
def two(tmp_path: Path) -> tuple[RunDirectory, RunDirectory]:
    """Two planned runs with histories."""
    runs = plan_run(tmp_path / "runs", "data=toy"), plan_run(tmp_path / "runs", "data=toy", "loss=power")
    for run in runs:
        run.metrics_path.write_text("step,epoch,name,value\n0,0,train/loss,2.5\n8,1,train/loss,1.5\n")
    return runs


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *[("metrics.csv", damage) for what, damage in ANY_FILE.items() if what != "flipped"],
        *[("config.yaml", damage) for damage in (*ANY_FILE.values(), *YAML.values())],
    ],
)
def test_curves_are_drawn_without_it(
    two: tuple[RunDirectory, RunDirectory], tmp_path: Path, typed: Command, name: str, damage: Damage
) -> None:
    damage(two[1].path / name)
    printed = typed("curves", two[0].path, two[1].path, "--metrics", "train/loss", "--out", tmp_path / "c.svg")
    assert printed.startswith("left out: ")
    assert printed.count(str(two[1].path / name)) == 1
    with pytest.raises(UserError, match=re.escape(str(two[1].path / name))):
        typed("curves", two[1].path, "--out", tmp_path / "c.svg")


@pytest.mark.parametrize("damage", [*ANY_FILE.values(), *YAML.values()])
def test_evaluate_names_it(two: tuple[RunDirectory, RunDirectory], typed: Command, damage: Damage) -> None:
    damage(two[0].path / "config.yaml")
    with pytest.raises(UserError, match=re.escape(str(two[0].path / "config.yaml"))):
        typed("evaluate", two[0].path)


PLANNED = {
    **in_each(("config.yaml", "status.json", "result.json"), ANY_FILE),
    **in_each(("config.yaml",), YAML),
    "no folder": without_folder,
    "edited": lambda run: (run / "config.yaml").write_text((run / "config.yaml").read_text() + "evaluate: best\n"),
    "lock a folder": lambda run: ((run / "config.yaml").write_text("{"), (run / "lock.json").mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("what", list(PLANNED))
def test_the_way_out_is_a_command_that_works(tmp_path: Path, what: str) -> None:
    run = plan_run(tmp_path / "runs", "data=toy")
    (run.path / "result.json").write_text("{}")
    PLANNED[what](run.path)
    with soon(), pytest.raises(UserError, match="force=true") as caught:
        plan_run(tmp_path / "runs", "data=toy").result()
    assert str(run.path) in str(caught.value)
    with soon():
        new = plan_run(tmp_path / "runs", "data=toy", "force=true")
    new.verify()
    assert (new.path, new.status["status"]) == (run.path, "planned")
    assert len(list((tmp_path / "runs" / ".archive").glob("*/*/seed0-*"))) == 1


def test_moving_a_damaged_file_away_is_a_way_out_too(tmp_path: Path) -> None:
    run = plan_run(tmp_path / "runs", "data=toy")
    for name in ("config.yaml", "status.json"):
        (run.path / name).write_bytes(b"\xff")
        (run.path / name).rename(tmp_path / name)
    again = plan_run(tmp_path / "runs", "data=toy")
    again.verify()
    assert again.status["status"] == "planned"


def test_a_lock_that_is_a_folder_is_nobodys(study: Path, typed: Command) -> None:
    change(bad(study) / "status.json", status="running", running="2026-01-01T08:00:00+00:00", host=None, pid=None)
    (bad(study) / "result.json").unlink()
    (bad(study) / "lock.json").mkdir()
    assert typed("status", study).startswith(f"6 runs: 5 done, 1 interrupted interrupted {bad(study)}: since ")
