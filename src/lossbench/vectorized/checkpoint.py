"""The state of interrupted stacks, in <study>/.stacks: whole files, from which any of their runs go on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from lossbench.rundir.contents import check_places
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_atomic
from lossbench.rundir.kinds import SETTINGS, TEXTS
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.status import DIVERGED
from lossbench.training.checkpoints import AGAIN, damage_named, make_folder, read_checkpoint, require_kinds, serialised
from lossbench.vectorized.train import StackedRuns


def key_of(run: RunDirectory) -> str:
    """The name of a run in a saved stack: its directory and when it was planned; force=true plans it anew."""
    config = run.path / "config.yaml"
    return f"{run.path} {config.stat().st_mtime_ns if config.exists() else None}"


def save_stack(runs: Sequence[RunDirectory], stacked: StackedRuns) -> None:
    """Save a stack between two steps.

    Raises:
        UserError: it cannot be written.
    """
    keys = [key_of(run) for run in runs]
    path = runs[0].path.parents[1] / ".stacks" / f"{sha256(repr(sorted(keys)).encode()).hexdigest()[:16]}.ckpt"
    content = serialised({"runs": keys, "state_dict": stacked.state_dict()})
    make_folder(path.parent)
    write_atomic(path, lambda file: file.write(content), check=read_checkpoint)


def saved_stacks(study: Path, say: Callable[[str], None] = print) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The saved stacks of a study, the newest first; a damaged one is named and set aside.

    Raises:
        UserError: their folder is a link that leads out of the study.
    """
    check_places(study / ".stacks")
    for path in sorted((study / ".stacks").glob("*.ckpt"), key=lambda path: -path.lstat().st_mtime):
        try:
            saved = read_checkpoint(path)
            require_kinds(path, saved, {"runs": TEXTS, "state_dict": SETTINGS})
        except DamagedError as error:
            with suppress(FileNotFoundError):  # another process has deleted it
                aside = path.rename(path.with_suffix(".damaged"))
                say(f"{path} {error.reason}; it is now {aside.name}, and its runs start from the beginning")
        else:
            yield path, saved


def whole_stack(runs: Sequence[RunDirectory]) -> list[RunDirectory]:
    """Give all runs of the saved stack of which some are still to be done, in its order.

    The last digits of what a run measures depend on how many are measured together, so a stack that was killed while
    its results were written is measured again as a whole.

    Args:
        runs: those that are still to be done.

    Returns:
        They, and those of their stack that have ended; they alone where no saved stack consists of such runs.
    """
    todo = {key_of(run): run for run in runs}
    for _, saved in saved_stacks(runs[0].path.parents[1]):
        keys = saved["runs"]
        if todo.keys() <= {*keys}:
            members = [todo.get(key) or RunDirectory(Path(key.rpartition(" ")[0])) for key in keys]
            if all(key in todo or _has_ended(run, key) for run, key in zip(members, keys, strict=True)):
                return members
    return list(runs)


def _has_ended(run: RunDirectory, key: str) -> bool:
    """Whether a run is still the one that was saved, and has ended."""
    return key_of(run) == key and (run.result_path.exists() or run.status.get("cause") == DIVERGED)


def is_saved(runs: Sequence[RunDirectory]) -> bool:
    """Whether a saved stack holds all these runs."""
    keys = {key_of(run) for run in runs}
    return any(keys <= set(saved["runs"]) for _, saved in saved_stacks(runs[0].path.parents[1]))


def resume(stacked: StackedRuns, runs: Sequence[RunDirectory], say: Callable[[str], None]) -> float:
    """Go on from a saved stack that holds all these runs, if there is one.

    Returns:
        Their share of the seconds that it has taken.
    """
    keys = [key_of(run) for run in runs]
    for path, saved in saved_stacks(runs[0].path.parents[1], say):
        if set(keys) <= set(saved["runs"]):
            with damage_named(path, "cannot be resumed from", AGAIN):
                stacked.load_state_dict(saved["state_dict"], [saved["runs"].index(key) for key in keys])
                seconds = float(saved["state_dict"].get("seconds", 0.0))
            say(f"resumed at step {stacked.stack.step} of {stacked.parts.total_steps} ({path})")
            return seconds * len(runs) / len(saved["runs"])
    return 0.0


def tidy(study: Path) -> None:
    """Delete the saved stacks of which no run is still to be done."""
    for path, saved in saved_stacks(study):
        runs = [RunDirectory(Path(key.rpartition(" ")[0])) for key in saved["runs"]]
        if not any(key_of(run) in saved["runs"] and not run.result_path.exists() for run in runs):
            path.unlink(missing_ok=True)
