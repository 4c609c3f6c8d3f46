"""Where the runs of some folders stand."""

import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from lossbench.errors import one_line
from lossbench.escaping import in_line
from lossbench.report.formatting import counted
from lossbench.report.records import DAMAGED, Record, each_record
from lossbench.rundir.lock import is_alive, read_owner
from lossbench.rundir.progress import RunProgress, progress_of
from lossbench.rundir.reading import DamagedError

ORDER = ("done", "running", "planned", "preempted", "cancelled", "invalid", "failed", DAMAGED)
NOT_LISTED = ("done", "planned")
GOING = ("running", "interrupted")


def survey(paths: Iterable[Path], most: int) -> str:
    """Count runs by state and list those that run, and those that need a look, with the reason.

    Args:
        paths: run directories.
        most: how many to list of each state.

    Returns:
        Lines for the terminal.
    """
    numbers: Counter[str] = Counter()
    listed: dict[str, list[Record]] = {}
    for record in each_record(paths):  # of a hundred thousand runs only those to be listed are kept
        state = _state(record)
        numbers[state] += 1
        if state not in NOT_LISTED and numbers[state] <= most:
            listed.setdefault(state, []).append(record)
    going = progress_of(record.path for state in GOING for record in listed.get(state, []))
    states = [state for state in dict.fromkeys((*ORDER, *numbers)) if state in numbers]
    counts = ", ".join(f"{numbers[state]} {in_line(state)}" for state in states)
    lines = [f"{counted(numbers.total(), 'run')}: {counts}"]
    for state in states:
        if state not in NOT_LISTED:
            lines += _lines(state, listed.get(state, []), numbers[state], going)
    return "\n".join(lines)


def _lines(state: str, records: list[Record], number: int, going: Mapping[Path, RunProgress]) -> list[str]:
    """A line for each record of a state, and how many more there are."""
    lines: list[str] = []
    for record in records:
        about = _about(record) + _place(state, going.get(record.path))
        lines.append(f"  {in_line(state):9}  {in_line(about)}")
    more = number - len(records)
    return [*lines, f"  ... and {more} more {in_line(state)}"] if more else lines


def _state(record: Record) -> str:
    """A run with the status running whose process is dead is interrupted."""
    return "interrupted" if record.state == "running" and not _is_owned(record) else record.state


def _is_owned(record: Record) -> bool:
    lock = record.path / "lock.json"
    try:
        return is_alive(read_owner(lock), lock)
    except DamagedError:
        return False


def _about(record: Record) -> str:
    status, reason = record.status, one_line(str(record.status.get("reason") or ""))
    if record.state == DAMAGED:  # the reason names the file
        return reason
    if record.state == "running":
        host = "" if status.get("host") == socket.gethostname() else f" on {status.get('host')}"
        since = f"since {_minutes(status.get('running')):.0f} min, process {status.get('pid')}{host}"
        return f"{record.path}: {since}"
    return f"{record.path}: {reason}" if status.get("reason") else str(record.path)


def _place(state: str, progress: RunProgress | None) -> str:
    """How far a run is, or was when it was interrupted; nothing where it does not say it."""
    if progress is None:
        return ""
    return f"; {progress}" if state == "running" else f"; after {progress.place}"


def _minutes(since: str | None) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds() / 60 if since else 0
