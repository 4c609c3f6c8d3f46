"""Stop runs at random times and compare them with one that was left alone: python scripts/soak_signals.py [N].

Ctrl-C, delivered twice at once (by a terminal and a wrapper), pressed again, SIGTERM: while a run starts, trains, is
tested, ends. Each must end soon, with a status that is true, and the same command must bring it to the same result.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from lossbench.errors import UserError, exit_on_user_error
from lossbench.rundir.directory import RunDirectory
from lossbench.training.checkpoints import read_checkpoint

WORDS = ("data=digits", "model=mlp", "model.dropout=0.3", "trainer=cpu", "trainer.max_epochs=40", "log_every_n_steps=1")
SOON = 60.0  # seconds; on a busy machine imports alone take ten


class Way(NamedTuple):
    """A way to stop a run.

    Args:
        number: the signal.
        again: between how many seconds after it the same signal comes again; None is never.
    """

    number: signal.Signals
    again: tuple[float, float] | None = None


WAYS = {
    "Ctrl-C": Way(signal.SIGINT),
    "Ctrl-C delivered twice": Way(signal.SIGINT, (0.0, 0.05)),
    "Ctrl-C again": Way(signal.SIGINT, (0.15, 0.6)),
    "SIGTERM": Way(signal.SIGTERM),
}


def main() -> None:
    """Parse, stop, compare, print."""
    given = parse()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        whole = finish(Path(folder) / "whole")
        seconds, good = time.monotonic() - began, 0
        for k in range(given.count):
            name = list(WAYS)[k % len(WAYS)]
            after = rng.uniform(0.2, seconds)
            said, faults = stop_and_finish(Path(folder) / str(k), WAYS[name], after, rng, whole)
            good += not faults
            print(
                f"{k + 1}/{given.count} {name} after {after:.1f} s: {said}  {'; '.join(faults) or 'good'}", flush=True
            )
    print(f"{good} of {given.count} stopped soon, with a true status, and went on to the same result")
    if good < given.count:
        raise UserError(f"{given.count - good} runs were not stopped as they should be")


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=60, help="how many runs")
    parser.add_argument("--seed", type=int, default=0, help="of the random times")
    return parser.parse_args()


def start(runs: Path) -> subprocess.Popen[str]:
    """Start the run in a session of its own, with SIGINT as a terminal has it."""
    return subprocess.Popen(
        [sys.executable, "-m", "lossbench", *WORDS, f"runs_dir={runs}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(runs: Path, resumed: int | None = None) -> tuple[object, ...]:
    """Run it to its end, from the step that it should go on from; give what it has found."""
    process = start(runs)
    out, err = process.communicate()
    if process.returncode or (resumed is not None and f"resumed at step {resumed} of" not in out):
        raise UserError(f"the same command did not go on from step {resumed}: {out[-300:]} {err}")
    (run,) = directories(runs)
    weights = read_checkpoint(run.checkpoint("last"))["state_dict"]
    exact = {name: tensor.numpy().tobytes() for name, tensor in weights.items()}
    rows = [row for row in run.metrics_path.read_text().splitlines() if "steps_per_second" not in row]
    return exact, rows, json.loads(run.result_path.read_text())["metrics"]


def directories(runs: Path) -> list[RunDirectory]:
    """The run, if it is planned already."""
    return [RunDirectory(path.parent) for path in runs.rglob("status.json")]


def stop_and_finish(
    runs: Path, way: Way, after: float, rng: random.Random, whole: tuple[object, ...]
) -> tuple[str, list[str]]:
    """Stop a run; give what it said, and what is wrong."""
    process = start(runs)
    time.sleep(after)
    send(process, way, rng)
    try:
        _, err = process.communicate(timeout=SOON)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "", ["hangs"]
    step, faults = None, wrong_exit(process.returncode, err, way)
    for run in directories(runs):
        step = read_checkpoint(run.checkpoint("last"))["global_step"] if run.checkpoint("last").exists() else None
        faults += [*untrue(run, step), *lost(run, step, way)]
    try:
        faults += [] if finish(runs, step if is_unfinished(runs) else None) == whole else ["another result"]
    except UserError as error:
        faults.append(str(error))
    return err.strip(), faults


def send(process: subprocess.Popen[str], way: Way, rng: random.Random) -> None:
    """Send the signals to the group of processes, as a terminal does."""
    for pause in (0.0, *([] if way.again is None else [rng.uniform(*way.again)])):
        time.sleep(pause)
        if process.poll() is None:
            os.killpg(process.pid, way.number)


def is_unfinished(runs: Path) -> bool:
    """Whether there is something to go on with."""
    return any(not run.result_path.exists() for run in directories(runs))


def wrong_exit(code: int, err: str, way: Way) -> list[str]:
    """An exit code that is not that of the signal, or of a run that was done before it came; a traceback."""
    allowed = (0, 128 + way.number, -way.number)
    return [f"exit code {code}"] * (code not in allowed) + ["a traceback"] * ("Traceback" in err and code >= 0)


def untrue(run: RunDirectory, step: int | None) -> list[str]:
    """A status that does not hold."""
    state, reason, faults = run.status["status"], str(run.status.get("reason", "")), []
    if state == "running" or (state == "done") != run.result_path.exists():
        faults.append(f"status {state}")
    if run.lock().path.exists():
        faults.append("a lock is left")
    said = re.search(r"stopped at step (\d+) of", reason)
    if (said and int(said[1]) != step) or ("last checkpoint" in reason and step is None):
        faults.append(f"promises what is not there: {reason}")
    return faults


def lost(run: RunDirectory, step: int | None, way: Way) -> list[str]:
    """Steps that were made and are not saved, though nobody asked to stop at once."""
    impatient = way.again is not None and way.again[0] > 0
    if impatient or run.result_path.exists() or not run.metrics_path.exists():
        return []
    made = sum("train/loss" in row for row in run.metrics_path.read_text().splitlines())
    return [f"{made - (step or 0)} of {made} steps are lost"] if made > (step or 0) else []


if __name__ == "__main__":
    exit_on_user_error(main)
