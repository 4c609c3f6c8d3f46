"""Toy runs in two processes at a time against one after another: the command as it is typed, from start to end."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.figure import Figure, compare

TRAIN = Path(__file__).parents[2] / "train.py"


def figures(given: argparse.Namespace) -> list[Figure]:
    """Eight toy runs of 5,000 steps, two at a time, against one after another; imports and planning included."""
    two, one = (
        partial(seconds, *words, tiny=given.tiny) for words in (("process", "hydra.launcher.n_jobs=2"), ("basic",))
    )
    return [compare("processes", "s", two, one, 3, cost=True)]


def seconds(launcher: str, *settings: str, tiny: bool) -> float:
    """Time a sweep of new runs, without a report."""
    runs, steps = (2, 20) if tiny else (8, 5000)
    words = ("data=toy", "trainer=cpu", f"seed=range({runs})", f"trainer.max_steps={steps}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TRAIN), "-m", f"hydra/launcher={launcher}", *settings, *words]
        start = time.perf_counter()
        subprocess.run(
            [*command, "hydra.sweeper.report=false"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "LOSSBENCH_RUNS": folder},
        )
        return time.perf_counter() - start
