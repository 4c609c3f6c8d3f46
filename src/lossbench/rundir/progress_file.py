"""How far a run or a stack is, written now and then while it trains."""

import json
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from lossbench.errors import UserError
from lossbench.rundir.contents import check_places
from lossbench.rundir.files import make_folder, write_atomic
from lossbench.rundir.progress import STACKS, RunProgress, in_study, stacks_of

EVERY_SECONDS = 5.0  # between two writings


class ProgressFile:
    """Write how far a run or a stack is, at most every few seconds; not synced: nothing depends on it.

    Args:
        files: the file of a run; of a stack one in each study, with the places of its runs in that study.
        steps: updates in all.
        steps_per_epoch: updates of an epoch.
    """

    def __init__(self, files: Mapping[Path, Sequence[str]], steps: int, steps_per_epoch: int) -> None:
        self.files, self.steps, self.steps_per_epoch = files, steps, steps_per_epoch
        self.start(0)

    def start(self, step: int) -> None:
        """Begin to train from a step."""
        self._began_at, self._began = step, time.monotonic()
        self._written = self._began

    def at(self, step: int) -> RunProgress:
        """How far it is at a step."""
        epochs = -(-self.steps // self.steps_per_epoch)
        epoch = min(step // self.steps_per_epoch + 1, epochs)
        return RunProgress(step, self.steps, epoch, epochs, self._began_at, time.monotonic() - self._began)

    def update(self, step: int) -> None:
        """Write it, unless that was done a moment ago; after the last step, if any was written, whenever that was."""
        is_last = step >= self.steps and self._written > self._began
        if is_last or time.monotonic() - self._written >= EVERY_SECONDS:
            self.write(step)

    def write(self, step: int) -> None:
        """Write it now."""
        self._written, content = time.monotonic(), asdict(self.at(step))
        for path, runs in self.files.items():
            text = json.dumps({**content, "runs": list(runs)})
            with suppress(UserError):  # no run ends because this cannot be written: the next one may
                if runs:
                    make_folder(path.parent)
                write_atomic(path, lambda file, text=text: file.write(text.encode()), sync=False)


def stack_progress(runs: Sequence[Path], steps: int, steps_per_epoch: int) -> ProgressFile:
    """The files of a stack; those of earlier stacks of its runs are removed.

    Args:
        runs: directories.
        steps: updates of each.
        steps_per_epoch: updates of an epoch.

    Raises:
        UserError: the folder of the stacks is a link that leads out of its study.
    """
    files: dict[Path, list[str]] = {}
    name = sha256(repr(list(map(str, runs))).encode()).hexdigest()[:16]
    for run in runs:
        files.setdefault(run.parents[1] / STACKS / f"{name}.json", []).append(in_study(run))
    for path, stacked in files.items():
        check_places(path.parent)
        _remove_earlier(path.parents[1], stacked)
    return ProgressFile(files, steps, steps_per_epoch)


def _remove_earlier(study: Path, stacked: Sequence[str]) -> None:
    for path, found in stacks_of(study).items():
        if not set(stacked).isdisjoint(found["runs"]):
            path.unlink(missing_ok=True)


@contextmanager
def removed_after(*paths: Path) -> Generator[None]:
    """Remove files that a killed process has left, and at the end of the block those of this one."""
    for path in paths:
        path.unlink(missing_ok=True)
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
