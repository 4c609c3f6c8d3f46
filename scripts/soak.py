"""Interrupt runs on a SLURM in every way and compare them with one that was left alone: python scripts/soak.py [N].

Requeueing, a signal of a user, a preemption, SIGKILL of the task, the time limit (it takes minutes): a random mix,
up to three a run.
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

from benchmarks.runs import plan_words

from lossbench.errors import UserError, exit_on_user_error
from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.script import job_script
from lossbench.rundir.result import Result
from lossbench.training.checkpoints import read_checkpoint

WORDS = ("data=digits", "trainer=cpu", "model.dropout=0.3", "loss=cosine_xent_head", "logger=none")
WAYS = ("requeue", "signal", "preemption", "kill", "time limit")


def main() -> None:
    """Parse, interrupt, compare, print."""
    given = parse()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Soaked(Path(folder) / "whole", given.epochs)
        whole.bring((), rng)
        good = 0
        for k in range(given.count):
            soaked = Soaked(Path(folder) / str(k), given.epochs)
            same, line = interrupt_and_compare(soaked, whole, rng)
            good += same
            print(f"{k + 1}/{given.count} {line}", flush=True)
    print(f"{good} of {given.count} bit-identical")
    if good < given.count:
        raise UserError(f"{given.count - good} interrupted runs differ from the one that was left alone")


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20, help="how many runs")
    parser.add_argument("--epochs", type=int, default=1200, help="of each run")
    parser.add_argument("--seed", type=int, default=0, help="of the random mix")
    return parser.parse_args()


def interrupt_and_compare(soaked: "Soaked", whole: "Soaked", rng: random.Random) -> tuple[bool, str]:
    """Interrupt a run up to three times; give whether it ends bit-identical, and a line about it."""
    began = time.monotonic()
    seen = soaked.bring([rng.choice(WAYS) for _ in range(rng.randint(1, 3))], rng)
    same = soaked.fingerprint() == whole.fingerprint()
    step, seconds = soaked.result().resumed_at, time.monotonic() - began
    verdict = "identical" if same else "DIFFERENT"
    return same, f"{', '.join(seen)}: {verdict}, last resumed at step {step}, {seconds:.0f} s"


class Soaked:
    """A run, and its SLURM job.

    Args:
        runs: root of its run directory.
        epochs: that it trains.
    """

    def __init__(self, runs: Path, epochs: int) -> None:
        self.run = plan_words([*WORDS, f"trainer.max_epochs={epochs}", f"runs_dir={runs}"])
        resources = Resources(time="10", memory_gb=1, cpus=4, signal_seconds=30)
        (self.run.path / "job.sh").write_text(job_script(self.run.path, resources, self.run.config.trainer))
        self.job = ""

    def bring(self, ways: Sequence[str], rng: random.Random) -> list[str]:
        """Run to the end, interrupted in these ways; give those that came while it ran."""
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

    def result(self) -> Result:
        """What the run, which is done, has found."""
        found = self.run.result()
        assert found is not None
        return found

    def submit(self) -> None:
        """Start it, or go on with it."""
        self.job = slurm("sbatch", "--parsable", str(self.run.path / "job.sh"))

    def interrupt(self, way: str) -> None:
        """Interrupt it, and wait until it no longer runs."""
        if way == "kill":
            self.kill()
            return
        if way == "preemption":
            self.preempt()
        commands = {
            "requeue": ("scontrol", "requeue", self.job),
            "signal": ("scancel", "--signal=USR1", self.job),
            "time limit": ("scontrol", "update", f"JobId={self.job}", "TimeLimit=1"),
        }
        if way in commands:
            slurm(*commands[way])
        self.until(lambda: self.state() != "RUNNING", 240)
        slurm("scontrol", "update", f"JobId={self.job}", "TimeLimit=10")

    def kill(self) -> None:
        """Kill its process, and submit it again."""
        os.kill(self.run.status["pid"], signal.SIGKILL)
        self.until(lambda: self.state() not in ("RUNNING", "COMPLETING"), 60)
        self.submit()

    def preempt(self) -> None:
        """Submit a job with a higher priority to its node."""
        node = slurm("squeue", "-h", "-j", self.job, "-o", "%N")
        options = ("--partition=high", f"--nodelist={node}", "--cpus-per-task=4", "--output=/dev/null")
        slurm("sbatch", *options, "--wrap=sleep 1")

    def rows(self) -> int:
        """Rows of the history, which grow while it trains."""
        return self.run.metrics_path.read_bytes().count(b"\n") if self.run.metrics_path.exists() else 0

    def state(self) -> str:
        """The job's state in the queue; empty once it is over."""
        return slurm("squeue", "-h", "-j", self.job, "-o", "%T")

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
        exact = {name: tensor.numpy().tobytes() for name, tensor in weights.items()}
        return exact, rows, self.result().metrics


def slurm(*words: str) -> str:
    """Run a command of SLURM and give what it prints."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError as error:
        raise UserError(f'{words[0]} cannot be found: eval "$(scripts/dev_cluster.sh up)" starts a SLURM') from error


if __name__ == "__main__":
    exit_on_user_error(main)
