"""Sweeps as a user types them: what fails stops nothing, what is done is not done again, what is stopped goes on."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ROOT
from failing_loss import FAILING, repair, write_failing_loss
from sweeping import BASIC, with_launcher
from typed import PATIENCE, assert_one_line, command, start_command, wait_until

TRAIN = str(ROOT / "train.py")
SMALL = ("-m", "data=toy", "trainer.max_steps=4", "logger=none", "hydra.sweeper.report=false")


def sweep(*words: str, runs: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return command(TRAIN, *with_launcher((*SMALL, *words)), runs=runs, **options)


def statuses(runs: Path) -> Counter[str]:
    return Counter(json.loads(path.read_text())["status"] for path in runs.rglob("status.json"))


def times(runs: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in runs.rglob("result.json")}


def metrics(runs: Path) -> dict[tuple[str, int], dict[str, float]]:
    results = [json.loads(path.read_text()) for path in runs.rglob("result.json")]
    return {(result["hash"], result["seed"]): result["metrics"] for result in results}


@pytest.mark.slow
def test_three_of_six_fail_and_the_same_command_runs_only_these(tmp_path: Path) -> None:
    runs, env = tmp_path / "runs", write_failing_loss(tmp_path)
    words = (*FAILING, "+loss.how=never,raise,ever,exit,diverge,soon")
    reasons = {
        "raise": "RuntimeError: the cat sat on the keyboard",
        "exit": "called sys.exit(7)",
        "diverge": "the training loss is nan at the first step",
    }
    done = sweep(*words, runs=runs, env=env)
    assert_one_line(done.returncode, done.stderr, "3 of 6 runs failed", "the same command runs only what is missing")
    for how, reason in reasons.items():
        line, place = done.stdout.split(f"failed: +loss.how={how}: ")[1].splitlines()[:2]
        assert reason in line
        status = json.loads((Path(place.strip()) / "status.json").read_text())
        assert (status["reason"], status.get("cause")) == (line, "diverged" if how == "diverge" else None)
    assert statuses(runs) == {"done": 3, "failed": 3}

    first = times(runs)
    repair(tmp_path)
    again = sweep(*words, runs=runs, env=env)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("6 runs: 3 done already, 3 to run\n")
    assert again.stdout.count("test/accuracy") == 3
    assert statuses(runs) == {"done": 6}
    assert {path: times(runs)[path] for path in first} == first


def start_sweep(runs: Path, *words: str) -> subprocess.Popen[str]:
    return start_command(TRAIN, *SMALL, BASIC, *words, runs=runs)


LONG = ("loss=cross_entropy,power", "seed=range(4)", "trainer.max_steps=300")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], dict[str, float]]:
    """The metrics of a sweep that nothing stopped."""
    runs = tmp_path_factory.mktemp("untouched")
    assert sweep(*LONG, runs=runs).returncode == 0
    return metrics(runs)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_stopped_loses_nothing_and_repeats_nothing(
    tmp_path: Path, sign: signal.Signals, untouched: object
) -> None:
    runs = tmp_path / "runs"
    process = start_sweep(runs, *LONG)
    wait_until(lambda: len(times(runs)) >= 3 and statuses(runs)["running"] == 1, process)
    process.send_signal(sign)
    out, _ = process.communicate(timeout=PATIENCE)
    first = times(runs)
    assert 3 <= len(first) < 8
    assert_stopped(runs, sign, process.returncode, out)

    again = sweep(*LONG, runs=runs)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith(f"8 runs: {len(first)} done already, {8 - len(first)} to run\n")
    assert {path: times(runs)[path] for path in first} == first
    assert statuses(runs) == {"done": 8}
    assert metrics(runs) == untouched


def assert_stopped(runs: Path, sign: signal.Signals, code: int, out: str) -> None:
    """The sweep's last line, exit code and statuses are those of the signal."""
    left, codes = 8 - len(times(runs)), {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
    assert sum(statuses(runs).values()) == 8
    assert code == codes[sign]
    assert (f"stopped with {left} of 8 runs to go" in out) == (sign != signal.SIGKILL)
    assert statuses(runs)["preempted"] == (sign == signal.SIGTERM)


@pytest.mark.slow
def test_a_wider_sweep_runs_only_what_is_missing(tmp_path: Path) -> None:
    assert sweep("loss=power", "loss.q=0.3,0.6", runs=tmp_path).returncode == 0
    first = times(tmp_path)
    wider = sweep("loss=power", "loss.q=range(0.1,0.75,0.1)", "seed=0,1", runs=tmp_path)  # 0.30000000000000004 is 0.3
    assert wider.stdout.startswith("14 runs: 2 done already, 12 to run\n")
    assert {path: times(tmp_path)[path] for path in first} == first


def invalid_cells(runs: Path) -> dict[tuple[float, float], str]:
    """(alpha, beta) of each invalid cell, and the reason."""
    cells = {}
    for path in runs.rglob("status.json"):
        status = json.loads(path.read_text())
        if status["status"] == "invalid":
            cells[status["params"]["loss.alpha"], status["params"]["loss.beta"]] = status["reason"]
    return cells


def test_cells_where_the_loss_is_not_defined_are_invalid_not_failed(tmp_path: Path) -> None:
    words = ("loss=cosine_prob", "loss.alpha=3,2,0.5", "loss.beta=1,0")
    done = sweep(*words, runs=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 runs: 0 done already, 3 to run, 3 invalid cells\n")
    assert statuses(tmp_path) == {"done": 3, "invalid": 3}
    assert sum("params" in json.loads(path.read_text()) for path in tmp_path.rglob("status.json")) == 3
    cells = invalid_cells(tmp_path)
    assert sorted(cells) == [(2, 1), (3, 0), (3, 1)]
    assert all(reason.startswith(("loss.alpha", "loss.beta")) for reason in cells.values())
    again = sweep(*words, runs=tmp_path)
    assert again.stdout.startswith("3 runs: 3 done already, 0 to run, 3 invalid cells\n")


@pytest.mark.slow
def test_what_a_run_prints_is_in_its_log(tmp_path: Path) -> None:
    done = sweep("seed=0,1", runs=tmp_path)
    assert done.returncode == 0
    assert "run directory:" not in done.stdout
    assert all("run directory:" in path.read_text() for path in tmp_path.rglob("train.log"))


@pytest.mark.slow
def test_a_run_that_another_process_has_locked_is_waited_for(tmp_path: Path) -> None:
    assert sweep("seed=0,1", runs=tmp_path).returncode == 0
    run = max(path.parent for path in tmp_path.rglob("result.json"))
    (run / "result.json").unlink()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    owner = psutil.Process(sleeper.pid)
    lock = {"token": "x", "host": socket.gethostname(), "pid": owner.pid, "process_started": owner.create_time()}
    (run / "lock.json").write_text(json.dumps(lock))
    waiting = start_sweep(tmp_path, "seed=0,1", "force=false")
    assert waiting.stdout is not None
    for line in waiting.stdout:
        if line.startswith("waiting for 1 run of other processes"):
            break
    assert not (run / "result.json").exists()
    sleeper.kill()
    sleeper.wait()
    rest, errors = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, errors) == (0, "")
    assert "[1/1] seed=1" in rest
    assert (run / "result.json").exists()


@pytest.mark.slow
def test_two_terminals_share_one_sweep(tmp_path: Path) -> None:
    both = [start_sweep(tmp_path, *LONG) for _ in range(2)]
    ends = [process.communicate(timeout=PATIENCE) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert statuses(tmp_path) == {"done": 8}


def test_damaged_directories_are_named_and_the_others_run(tmp_path: Path) -> None:
    assert sweep("seed=range(4)", runs=tmp_path).returncode == 0
    *damaged, lost = sorted(path.parent for path in tmp_path.rglob("result.json"))
    names = ("result.json", "status.json", "config.yaml")
    for run, name in zip(damaged, names, strict=True):
        (run / name).write_text("{")
    (lost / "result.json").unlink()
    done = sweep("seed=range(4)", runs=tmp_path)
    assert_one_line(done.returncode, done.stderr, "3 of 4 run directories are damaged, listed above")
    assert done.stdout.startswith("4 runs: 0 done already, 1 to run, 3 damaged\n")
    for run, name in zip(damaged, names, strict=True):
        assert done.stdout.count(f"damaged: {run / name} cannot be read (") == 1
    assert (lost / "result.json").exists()
    (damaged[0] / "result.json").write_text("{}")
    again = sweep("seed=range(4)", "hydra/launcher=vectorized", runs=tmp_path)
    assert_one_line(again.returncode, again.stderr, "3 of 4 run directories are damaged")


def test_force_runs_anew_and_archives(tmp_path: Path) -> None:
    assert sweep("seed=0,1", runs=tmp_path).returncode == 0
    again = sweep("seed=0,1", "force=true", runs=tmp_path)
    assert again.stdout.startswith("2 runs: 0 done already, 2 to run\n")
    assert len(list((tmp_path / ".archive").rglob("result.json"))) == 2


@pytest.mark.slow
def test_an_experiment_that_is_a_sweep_needs_no_m_and_ends_in_a_verdict(tmp_path: Path) -> None:
    words = (
        "experiment=digits_losses",
        "trainer.max_epochs=1",
        "hydra.sweeper.params.loss='cross_entropy,cosine_xent,power'",
        "replicate=0,1",
    )
    done = command(TRAIN, *words, "logger=none", runs=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("6 runs: 0 done already, 6 to run\n")
    assert re.search(r"cross_entropy +baseline", done.stdout)
    page = Path(done.stdout.rsplit("report: ", 1)[1].strip())
    assert page.is_relative_to(tmp_path / "digits_losses" / "reports")
    written = {path.name for path in page.parent.iterdir()}
    assert {"report.html", "verdict.csv", "verdict.md", "more.csv", "verdict.tex", "methods.txt", "figures"} <= written


@pytest.mark.slow
def test_data_sets_are_not_mixed_each_has_its_report(tmp_path: Path) -> None:
    done = command(
        TRAIN, "-m", "debug=one_batch", "data=toy,digits", "loss=cross_entropy,power", "seed=0,1", runs=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    reports = [line.removeprefix("report: ") for line in done.stdout.splitlines() if line.startswith("report: ")]
    assert [Path(path).parent.name.split("-")[0] for path in reports] == ["toy", "digits"]
