"""Type every wrong command line of the table in a fresh process, and measure how soon each is answered.

python scripts/wrong_inputs.py [TOPIC ...] [--limit 2]

The table is tests/wrong_input/*.txt. The exit code is 1 when an answer is not one good line, or comes later than the
limit in seconds.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from mistakes import Mistake, make_desk, mistakes  # noqa: E402 - the tests' own table

AT_ONCE = 2  # processes
SHOWN = 10  # slowest answers
PATIENCE = 60  # seconds after which an answer is given up


@dataclass(frozen=True)
class Answer:
    """How a wrong command line was answered.

    Args:
        mistake: the line.
        seconds: from the start of the process to its end.
        faults: what is wrong with the answer.
    """

    mistake: Mistake
    seconds: float
    faults: list[str]


def answer(mistake: Mistake, desk: Path) -> Answer:
    """Type one line in a new process."""
    env = {name: value for name, value in os.environ.items() if name != "LOSSBENCH_RUNS"}
    env |= {"CUDA_VISIBLE_DEVICES": "", **mistake.environment}
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *mistake.words],
            cwd=desk,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(mistake, PATIENCE, [f"no answer after {PATIENCE} s"])
    seconds = time.perf_counter() - start
    return Answer(mistake, seconds, mistake.faults_of(done.returncode, done.stdout, done.stderr))


def summary(answers: list[Answer], limit: float) -> str:
    """How many were answered in one good line and in time, how soon, and which were slowest."""
    seconds = [each.seconds for each in answers]
    good, late = sum(not each.faults for each in answers), sum(each.seconds > limit for each in answers)
    lines = [
        f"{len(answers)} wrong command lines, {good} answered in one good line, {late} later than {limit:g} s",
        f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s, {AT_ONCE} at a time; the slowest:",
    ]
    slowest = sorted(answers, key=lambda each: -each.seconds)[:SHOWN]
    lines += [f"  {each.seconds:5.2f} s  {each.mistake.typed}" for each in slowest]
    lines += [f"not good: {each.mistake.typed}: {', '.join(each.faults)}" for each in answers if each.faults]
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="files of the table; default: all")
    parser.add_argument("--limit", type=float, default=2, help="seconds")
    given = parser.parse_args()
    table = [each for each in mistakes() if not given.topics or each.topic in given.topics]
    if not table:
        parser.error(f"no such topic; there are {shlex.join(sorted({each.topic for each in mistakes()}))}")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(partial(answer, desk=make_desk(Path(folder))), table))
    print(summary(answers, given.limit))
    sys.exit(any(each.faults or each.seconds > given.limit for each in answers))


if __name__ == "__main__":
    main()
