"""What `bench.py overhead` measures: what a run costs besides its training, in a stack and one after another.

Each figure compares the time of training with that of a part of the sweep, in ms a run: a ratio of 2 means that the
part takes half as long as training.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from benchmarks.figure import Figure
from benchmarks.many import TOY
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

RUNS, ALONE, REPEATS = 1000, 2, 3
PARTS = ("plan", "write", "all")


def figures(given: argparse.Namespace) -> list[Figure]:
    """A toy sweep of 1,000 runs, and of two that run one after another."""
    runs, repeats = (6, 2) if given.tiny else (RUNS, REPEATS)
    stacked = [_seconds(runs, vectorized=True) for _ in range(repeats)]
    alone = [_seconds(ALONE, vectorized=False) for _ in range(repeats)]
    return [*_compared("overhead", stacked, runs), *_compared("overhead.alone", alone, ALONE)]


def _compared(name: str, measured: Sequence[dict[str, float]], runs: int) -> list[Figure]:
    """What each part takes, against training, ms a run."""
    found: list[Figure] = []
    for part in PARTS:
        ratios = [seconds["train"] / seconds[part] for seconds in measured]
        low, middle, high = statistics.quantiles(ratios, n=4)
        ours, reference = (1e3 / runs * statistics.median(each[of] for each in measured) for of in (part, "train"))
        found.append(Figure(f"{name}.{part}", "ms/run", ours, reference, middle, (low, high), len(measured)))
    return found


def _seconds(runs: int, *, vectorized: bool) -> dict[str, float]:
    """Seconds of the parts of a toy sweep, without the report: plan, train, write and all but training."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from lossbench.config.composition import hydra_started
    from lossbench.launch.local import run_here
    from lossbench.launch.sweep import sweep
    from lossbench.vectorized.launch.stacks import run_stacked

    bring = run_stacked if vectorized else run_here
    took = {"train": 0.0, "launch": 0.0}

    def launch(todo: Sequence[RunDirectory], progress: SweepProgress) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            _timed(bring, took, "launch")(todo, progress)

    with tempfile.TemporaryDirectory() as folder, hydra_started(), _training_timed(took, vectorized=vectorized):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("train", [], RunMode.MULTIRUN, from_shell=False)
        words = [*TOY, f"runs_dir={folder}", "loss=cosine_prob", f"seed=range({runs})"]
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            sweep(words, loader, master, launch, None, ["bench.py"], lambda config: None)
        whole = time.perf_counter() - began
    plan, write = whole - took["launch"], took["launch"] - took["train"]
    return {"plan": plan, "train": took["train"], "write": write, "all": plan + write}


def _training_timed(took: dict[str, float], *, vectorized: bool) -> Any:
    """Add up what the training itself takes."""
    from pytorch_lightning import Trainer

    from lossbench.vectorized.train import StackedRuns

    owner, name = (StackedRuns, "train") if vectorized else (Trainer, "fit")
    return patch.object(owner, name, _timed(getattr(owner, name), took, "train"))


def _timed(work: Callable[..., Any], took: dict[str, float], part: str) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return work(*given, **named)
        finally:
            took[part] += time.perf_counter() - began

    return timed
