"""Interrupt runs on a SLURM in every way and compare them with one that was left alone: python scripts/soak.py [N].

Requeueing, a user's signal, a preemption, SIGKILL of the task, the time limit (it takes minutes), in a random mix, up to three times a run.
"""

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_runs import plan_words

from lossbench.errors import UserError, exit_on_user_error
from lossbench.launch.slurm.script import Resources, job_script
from lossbench.training.callbacks.checkpoint import read_checkpoint

WORDS = ("data=digits", "trainer=cpu", "model.dropout=0.3", "loss=cosine_xent_head", "logger=none")
WAYS = ("requeue", "signal", "preemption", "kill", "time limit")


def main() -> None:
    """Parse, interrupt, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20, help="how many runs")
    parser.add_argument("--epochs", type=int, default=1200, help="of each run")
    parser.add_argument("--seed", type=int, default=0, help="of the random mix")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Soaked(Path(folder) / "whole", given.epochs)
        whole.bring((), rng)
        good = 0
        for k in range(given.count):
            soaked, began = Soaked(Path(folder) / str(k), given.epochs), time.monotonic()
            seen = soaked.bring([rng.choice(WAYS) for _ in range(rng.randint(1, 3))], rng)
            same = soaked.fingerprint() == whole.fingerprint()
            good += same
            what = f"last resumed at step {(soaked.run.result() or {})['resumed_at']}, {time.monotonic() - began:.0f} s"
            print(
                f"{k + 1}/{given.count} {', '.join(seen)}: {'identical' if same else 'DIFFERENT'}, {what}", flush=True
            )
    print(f"{good} of {given.count} bit-identical")
    if good < given.count:
        raise UserError(f"{given.count - good} interrupted runs differ from the one that was left alone")


class Soaked:
    """A run, and the job that it is now."""

    def __init__(self, runs: Path, epochs: int) -> None:
        self.run = plan_words([*WORDS, f"trainer.max_epochs={epochs}", f"runs_dir={runs}"])
        resources = Resources(time="10", memory_gb=1, cpus=4, signal_seconds=30)
        (self.run.path / "job.sh").write_text(job_script(self.run.path, resources, self.run.config["trainer"]))
        self.job = ""

    def bring(self, ways: Sequence[str], rng: random.Random) -> list[str]:
        """Run to the end, interrupted in these ways; give those that found it running."""
        seen: list[str] = []
        self.submit()
        for way in ways:
            at = self.rows()
            self.until(lambda at=at: self.state() == "RUNNING" and self.rows() > at, 300)
            time.sleep(rng.uniform(0, 3))
            if self.run.result() is not None:
                break
            self.interrupt(way)
            if self.run.result() is None:
                seen.append(way)
        self.until(lambda: False, 600)
        return seen

    def submit(self) -> None:
        """Start it, or go on with it."""
        self.job = cache("sbatch", "--parsable", str(self.run.path / "job.sh"))

    def interrupt(self, way: str) -> None:
        """Interrupt it and see that it goes on."""
        if way == "kill":
            os.kill(self.run.status["pid"], signal.SIGKILL)
            self.until(lambda: self.state() not in ("RUNNING", "COMPLETING"), 60)
            self.submit()
            return
        if way == "preemption":
            node = cache("squeue", "-h", "-j", self.job, "-o", "%N")
            cache(
                "sbatch",
                "--partition=high",
                f"--nodelist={node}",
                "--cpus-per-task=4",
                "--output=/dev/null",
                "--wrap=sleep 1",
            )
        commands = {
            "requeue": ("scontrol", "requeue", self.job),
            "signal": ("scancel", "--signal=USR1", self.job),
            "time limit": ("scontrol", "update", f"JobId={self.job}", "TimeLimit=1"),
        }
        if way in commands:
            cache(*commands[way])
        self.until(lambda: self.state() != "RUNNING", 240)
        cache("scontrol", "update", f"JobId={self.job}", "TimeLimit=10")

    def rows(self) -> int:
        """Rows of the history, which grow while it trains."""
        return self.run.metrics_path.read_bytes().count(b"\n") if self.run.metrics_path.exists() else 0

    def state(self) -> str:
        """What the queue says of the job; nothing once it is over."""
        return cache("squeue", "-h", "-j", self.job, "-o", "%T")

    def until(self, happened: Callable[[], bool], seconds: float) -> None:
        """Wait for something, or for the end of the run."""
        end = time.monotonic() + seconds
        while self.run.result() is None and not happened():
            if time.monotonic() > end:
                raise UserError(
                    f"nothing happened to job {self.job} within {seconds:.0f} s; {self.run.path}/slurm.log says more"
                )
            time.sleep(0.2)

    def fingerprint(self) -> tuple[object, ...]:
        """Weights, history without the clock, and metrics, bit for bit."""
        weights = read_checkpoint(self.run.checkpoint("last"))["state_dict"]
        rows = [row for row in self.run.metrics_path.read_text().splitlines() if "steps_per_second" not in row]
        return (
            {name: tensor.numpy().tobytes() for name, tensor in weights.items()},
            rows,
            (self.run.result() or {})["metrics"],
        )


def cache(*words: str) -> str:
    """Run a command of SLURM."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError as error:
        raise UserError(f'{words[0]} cannot be found: eval "$(scripts/dev_cluster.sh up)" starts a SLURM') from error


if __name__ == "__main__":
    exit_on_user_error(main)
