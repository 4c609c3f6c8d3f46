"""Train many runs in one process and see whether its memory grows: python scripts/soak_memory.py [N].

Prints the resident memory after each run, and at the end that after the last one as a multiple of that after the fifth:
1 is no growth. More than 1.1 is an error.
"""

import argparse
import tempfile

import psutil
from benchmarks.runs import plan_words

from lossbench.errors import UserError, exit_on_user_error
from lossbench.launch.local import run_here
from lossbench.launch.progress import SweepProgress

WORDS = ("data=digits", "trainer=cpu", "trainer.max_steps=3", "model=mlp", "keep_checkpoints=none")
WARM = 5  # runs after which what is kept for all of them is there
MOST = 1.1


def main() -> None:
    """Parse, train, compare, print."""
    given = parse()
    with tempfile.TemporaryDirectory() as folder:
        sizes = [f"model.hidden=[{given.width},{given.width}]", f"runs_dir={folder}"]
        runs = [plan_words([*WORDS, *sizes, f"seed={seed}"]) for seed in range(given.count)]
        progress = SweepProgress({run: f"seed={run.config.seed}" for run in runs}, runs, "test/accuracy")
        memory: list[float] = []
        for run in runs:
            run_here([run], progress)
            memory.append(psutil.Process().memory_info().rss)
            progress.say(f"{memory[-1] / 1e6:.0f} MB resident")
        progress.close()
    growth = memory[-1] / memory[WARM - 1]
    print(f"{growth:.3f} times as much memory after run {given.count} as after run {WARM}")
    if progress.failed or growth > MOST:
        raise UserError(f"{len(progress.failed)} runs failed, and memory grew {growth:.3f} times; {MOST} is allowed")


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=50, help=f"how many runs, more than {WARM}")
    parser.add_argument("--width", type=int, default=1500, help="units of each hidden layer")
    given = parser.parse_args()
    if given.count <= WARM:
        parser.error(f"count must be more than {WARM}, got {given.count}")
    return given


if __name__ == "__main__":
    exit_on_user_error(main)
