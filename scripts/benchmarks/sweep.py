"""Many runs as one stack against one run after another."""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import many as work
from benchmarks.figure import Figure, compare
from benchmarks.runs import hush, toy_fit
from lossbench.hardware import keep_freed_memory


def figures(given: argparse.Namespace) -> list[Figure]:
    """Many runs through hydra/launcher=vectorized against one run after another, in ms a run (heads: run-steps per s).

    A thousand toy runs of 5,000 steps against two, 200 linear heads of 300 steps against one: the reference is
    extrapolated from these.
    """
    hush()
    keep_freed_memory()
    many, steps = (20, 20) if given.tiny else (1000, 300)

    def alone() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return 1e3 * 5000 / toy_fit(Path(folder), 10, 5000)

    def silent(work: Callable[[], float]) -> Callable[[], float]:
        def measure() -> float:
            with contextlib.redirect_stdout(io.StringIO()):
                return work()

        return measure

    ours, theirs = (lambda: 1e3 * work.toy_sweep(many, True)), (lambda: 1e3 * work.toy_sweep(2, False))
    return [
        compare("sweep.toy_training", "ms/run", lambda: 1e3 * work.toy_training(many), alone, 3, cost=True),
        compare("sweep.toy_compiling", "ms/run", lambda: 1e3 * work.toy_compiling(many), alone, 3, cost=True),
        compare("sweep.toy_all", "ms/run", silent(ours), silent(theirs), 3, cost=True),
        compare(
            "sweep.heads", "steps/s", lambda: work.heads(many // 5, steps), lambda: work.one_head(steps), 3, cost=False
        ),
    ]
