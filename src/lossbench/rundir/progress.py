"""How far running runs are: progress.json of a run, or a file in <study>/.stacks for a stack. Torch-free."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lossbench.meter import duration
from lossbench.rundir.kinds import NUMBER, TEXTS, WHOLE, check_kinds
from lossbench.rundir.reading import DamagedError, read_json

FILE = "progress.json"
STACKS = ".stacks"  # of a study
WAY_OUT = "delete it; it only says how far the run is"


@dataclass(frozen=True)
class RunProgress:
    """How far the training of a run is.

    Args:
        step: updates done.
        steps: updates in all.
        epoch: the epoch that goes on, the first is 1.
        epochs: epochs in all.
        began_at: the step from which this start of the run trains.
        seconds: of training since then.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    began_at: int
    seconds: float

    @property
    def trained(self) -> float:
        """The share of the run that this start has trained, in [0, 1]."""
        return (self.step - self.began_at) / max(self.steps, 1)

    @property
    def left(self) -> float:
        """The share of the run that is left, in [0, 1]."""
        return 1 - self.step / max(self.steps, 1)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it is trained, at the pace so far; None where there is none yet."""
        return self.seconds * self.left / self.trained if self.trained else None

    @property
    def place(self) -> str:
        """Where it is: "step 120 of 300, epoch 2 of 5"."""
        return f"step {self.step:,} of {self.steps:,}, epoch {self.epoch:,} of {self.epochs:,}"

    def __str__(self) -> str:
        """Where it is, and for how long it goes on."""
        if self.step >= self.steps:
            return f"{self.place}, measuring"
        return f"{self.place}{to_go(self.seconds_left)}"


KINDS = {**{each.name: WHOLE for each in fields(RunProgress)}, "seconds": NUMBER, "runs": TEXTS}


def progress_of(runs: Iterable[Path]) -> dict[Path, RunProgress]:
    """How far runs are that say it, alone or in stacks; what cannot be read says nothing.

    Args:
        runs: run directories.
    """
    stacks: dict[Path, dict[str, RunProgress]] = {}
    found: dict[Path, RunProgress] = {}
    for run in runs:
        place = run.resolve()
        study = place.parents[1]
        if study not in stacks:
            stacks[study] = _stacked(study)
        own = _read(place / FILE)
        progress = _parsed(own) if own is not None else stacks[study].get(in_study(place))
        if progress is not None:
            found[run] = progress
    return found


def in_study(run: Path) -> str:
    """The place of a run directory in its study: experiment and seed."""
    return "/".join(run.parts[-2:])


def to_go(seconds: float | None) -> str:
    """Word the time that is left: ", about 12 min to go"; nothing where it is not known."""
    return "" if seconds is None else f", about {duration(seconds)} to go"


def _stacked(study: Path) -> dict[str, RunProgress]:
    """Place in the study -> how far the stack is that holds the run."""
    return {run: _parsed(listed) for listed in stacks_of(study).values() for run in listed["runs"]}


def stacks_of(study: Path) -> dict[Path, dict[str, Any]]:
    """The files of a study's stacks and what they hold, the newest last."""
    read = {path: _read(path) for path in sorted((study / STACKS).glob("*.json"), key=_changed)}
    return {path: found for path, found in read.items() if found is not None}


def _changed(path: Path) -> float:
    with suppress(FileNotFoundError):  # the stack has just ended
        return path.lstat().st_mtime
    return 0.0


def _read(path: Path) -> dict[str, Any] | None:
    """What a file holds; None where there is none, or none that can be read: nothing depends on it."""
    if not os.path.lexists(path):
        return None
    try:
        found = read_json(path, WAY_OUT)
        check_kinds(path, found, KINDS, WAY_OUT)
    except DamagedError:
        return None
    return found if found.keys() >= KINDS.keys() else None


def _parsed(found: Mapping[str, Any]) -> RunProgress:
    return RunProgress(**{each.name: found[each.name] for each in fields(RunProgress)})
