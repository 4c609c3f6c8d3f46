"""How much of a tuned sweep's time is training: the whole command against the training steps in it.

python -m benchmarks.tuned SECONDS_FILE WORD ... is the command of WORD ..., with its training steps timed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Figure

LOSSES = "cross_entropy,label_smoothing,cosine,cosine_xent,power,inverse_tuned,cosine_prob"


def figures(given: argparse.Namespace) -> list[Figure]:
    """Seven losses, 16 trials, 12 replicates on digits; ratio is the share of the wall time that is training steps."""
    n = 1 if given.tiny else 3
    pairs = [_timed(given.tiny) for _ in range(n)]
    shares = [steps / whole for whole, steps in pairs]
    low, middle, high = statistics.quantiles(shares, n=4) if n > 1 else shares * 3
    whole, steps = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [Figure("tuned.training", "s", whole, steps, middle, (low, high), n)]


def words(folder: str, tiny: bool) -> list[str]:
    """The command, as a user types it."""
    losses, trials, replicates, epochs = ("cross_entropy,focal", 16, 5, 1) if tiny else (LOSSES, 16, 12, 30)
    data = ("data=digits", "model=mlp", "scheduler=cosine", "trainer=cpu", f"trainer.max_epochs={epochs}")
    sweep = (f"loss={losses}", f"trials={trials}", f"replicate=range({replicates})")
    return ["-m", "hydra/sweeper=tuned", *data, *sweep, "study=bench", f"runs_dir={folder}"]


def _timed(tiny: bool) -> tuple[float, float]:
    """Seconds of one such command from start to end, imports and report included, and of its training steps."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = Path(folder) / "seconds.json"
        command = [sys.executable, "-m", "benchmarks.tuned", str(seconds), *words(folder, tiny)]
        scripts = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(scripts), os.environ.get("PYTHONPATH", "")))}
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return time.perf_counter() - start, sum(json.loads(seconds.read_text()))


def _measured(file: Path, command: list[str]) -> None:
    """Run a command and write the seconds of its training steps: those of training without those of validation."""
    from lossbench.cli.main import run
    from lossbench.vectorized.train import StackedRuns

    spent: list[float] = []
    for name, sign in (("train", 1), ("_validate", -1)):
        setattr(StackedRuns, name, _timing(getattr(StackedRuns, name), sign, spent))
    sys.argv[1:] = command
    try:
        run(command)
    finally:
        file.write_text(json.dumps(spent))


def _timing(function: Callable[..., None], sign: int, spent: list[float]) -> Callable[..., None]:
    def timed(*given: object) -> None:
        start = time.perf_counter()
        function(*given)
        spent.append(sign * (time.perf_counter() - start))

    return timed


if __name__ == "__main__":
    _measured(Path(sys.argv[1]), sys.argv[2:])
