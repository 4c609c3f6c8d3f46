"""Reading many run directories: status and report against a bare loop that parses the JSON files in them."""

import argparse
import contextlib
import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Beside bench.py.
from simulate_runs import simulate

from benchmarks.figure import Figure, compare
from lossbench.cli import report, status


def figures(given: argparse.Namespace) -> list[Figure]:
    """10,000 run directories in ms a run, imports not counted; reference: json.load of result.json and status.json."""
    runs, arms, n = (60, 10, 2) if given.tiny else (10_000, 100, 3)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "bench"
        made = simulate(study, runs, arms)

        def bare() -> float:
            return _seconds(lambda: load_all(study)) / made * 1e3

        def ours(command: Callable[[list[str]], None]) -> float:
            shutil.rmtree(study / "reports", ignore_errors=True)
            (study / "journal.jsonl").unlink(missing_ok=True)  # each report is the first look
            with contextlib.redirect_stdout(io.StringIO()):
                return _seconds(lambda: command([str(study)])) / made * 1e3

        ours(report.main)  # imports
        return [
            compare("read.status", "ms/run", lambda: ours(status.main), bare, n, cost=True),
            compare("read.report", "ms/run", lambda: ours(report.main), bare, n, cost=True),
        ]


def load_all(study: Path) -> int:
    """Parse the two JSON files of every run, and give the number of runs."""
    runs = 0
    for path in study.glob("*/*/result.json"):
        for file in (path, path.with_name("status.json")):
            with open(file) as content:
                json.load(content)
        runs += 1
    return runs


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
