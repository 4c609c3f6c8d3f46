"""lossbench report and lossbench status as a user types them."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from made_runs import change, cut_in_half, make_arm, make_run
from typed import assert_one_line, command

BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.85]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two losses with 7 seeds each."""
    right = [k % 9 > 0 for k in range(40)]
    make_arm(tmp_path / "runs" / "study", "cross_entropy", BASE, right=right)
    make_arm(tmp_path / "runs" / "study", "power", [score + 0.02 for score in BASE], right=right[::-1])
    return tmp_path / "runs" / "study"


def typed(
    name: str, *words: object, runs: Path = Path("nowhere"), cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return command("-m", "lossbench", name, *map(str, words), runs=runs, cwd=cwd)


def run(study: Path, loss: str, seed: int) -> Path:
    return next(study.glob(f"*-{loss}-*/seed{seed}"))


def test_a_report_says_which_loss_is_better(study: Path, tmp_path: Path) -> None:
    make_run(study, "power", 7)
    make_run(study, "cosine")
    make_run(study, "inverse", state="failed", status={"reason": "the loss became nan"})
    done = typed("report", study, "--margin", "0.005", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Train with power: it is better than cross_entropy on this split, +2.00 points" in done.stdout
    assert "power does not share seed 7 with cross_entropy; they are paired on the 7 that they share." in done.stdout
    assert "Too few seeds: 1 seed decides nothing" in done.stdout
    assert "1 more run is failed and not in this report." in done.stdout
    assert re.search(r"cosine +○ undecided +[+-][\d.]+ \(n = 1\)|cosine +○ undecided", done.stdout)
    assert done.stdout.endswith(f"report: {tmp_path / 'out' / 'report.html'}\n")


def test_runs_of_two_models_get_two_reports(tmp_path: Path) -> None:
    for model in ("mlp", "linear"):
        for loss in ("cross_entropy", "power"):
            make_run(tmp_path / "runs" / "study", loss, settings={"model.name": model})
    make_run(tmp_path / "runs" / "study", "power", 1, settings={"model.name": "linear"}, state="planned")
    done = typed("report", tmp_path / "runs", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall("^(.*): test/accuracy of every loss", done.stdout, re.MULTILINE) == ["linear", "mlp"]
    assert done.stdout.count("Not judged yet: 1 run of this comparison is still to be done.") == 1
    assert re.findall("^report: (.*)$", done.stdout, re.MULTILINE) == [
        str(tmp_path / "out" / k / "report.html") for k in "12"
    ]


def test_a_report_may_be_asked_for_from_inside_a_run(study: Path) -> None:
    done = typed("report", ".", "--metric", "test/nll", cwd=run(study, "power", 0))
    assert (done.returncode, done.stderr) == (0, "")
    assert "There is no baseline among these runs" in done.stdout
    assert f"report: {study / 'reports'}" in done.stdout


def other_data(study: Path) -> str:
    change(run(study, "power", 3) / "result.json", fingerprint="f" * 64)
    return str(run(study, "power", 3))


def none_done(study: Path) -> str:
    for path in study.rglob("result.json"):
        path.unlink()
    make_run(study, "cosine", state="failed")
    return "none of the 15 runs"


@pytest.mark.parametrize(
    ("prepare", "mention"),
    [
        (
            other_data,
            "cannot be compared, their data fingerprints (examples and splits) differ: 45f04c9bac38c3d4 in ",
        ),
        (none_done, "is done (failed, planned); run them first"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_runs_that_cannot_be_read_or_compared_are_one_line(
    study: Path, prepare: Callable[[Path], str], mention: str
) -> None:
    place = prepare(study)
    done = typed("report", study)
    assert_one_line(done.returncode, done.stderr, mention, place)
    assert done.stdout == ""


def test_status_says_where_runs_stand(study: Path) -> None:
    failed = make_run(study, "cosine", state="failed", status={"reason": "q must be\n<= 1"})
    cut_in_half(run(study, "power", 2) / "status.json")
    done = typed("status", runs=study.parent)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "15 runs: 13 done, 1 failed, 1 damaged"
    assert lines[1] == f"  failed     {failed}: q must be <= 1"
    assert lines[2].startswith(f"  damaged    {run(study, 'power', 2) / 'status.json'} cannot be read")


@pytest.mark.parametrize("name", ["report", "status"])
def test_help_says_what_can_be_typed(name: str) -> None:
    done = typed(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"lossbench {name}" in done.stdout
