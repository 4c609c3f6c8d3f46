"""Where the runs of some folders stand."""

import socket
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from lossbench.errors import UserError, one_line
from lossbench.report.records import Record, read_record
from lossbench.rundir.lock import is_alive, read_owner

ORDER = ("done", "running", "planned", "preempted", "cancelled", "invalid", "failed")


def survey(paths: Iterable[Path], most: int) -> str:
    """Count runs by state and list those that run, and those that need a look, with the reason.

    Args:
        paths: run directories.
        most: how many to list of each state.

    Returns:
        Lines for the terminal.
    """
    records, damaged = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except UserError as error:
            damaged.append(str(error))
    states = {record.path: _state(record) for record in records}
    counts = Counter(states.values())
    known = [*ORDER, *(state for state in counts if state not in ORDER)]
    total = ", ".join(f"{counts[state]} {state}" for state in known if counts[state]) or "none readable"
    lines = [f"{len(records) + len(damaged)} runs: {total}{f', {len(damaged)} damaged' if damaged else ''}"]
    for state in known:
        if state not in ("done", "planned"):
            listed = [record for record in records if states[record.path] == state]
            lines += [f"  {state:9}  {record.path}{_about(record)}" for record in listed[:most]]
            lines += [f"  ... and {len(listed) - most} more {state}"] if len(listed) > most else []
    return "\n".join([*lines, *(f"  damaged    {line}" for line in damaged)])


def _state(record: Record) -> str:
    """A run whose owner died without a word is interrupted, whatever status.json says."""
    lock = record.path / "lock.json"
    if record.state == "running" and not is_alive(read_owner(lock), lock):
        return "interrupted"
    return record.state


def _about(record: Record) -> str:
    said = record.status
    if record.state == "running":
        minutes = (
            (datetime.now(UTC) - datetime.fromisoformat(said["running"])).total_seconds() / 60
            if "running" in said
            else 0
        )
        host = "" if said.get("host") == socket.gethostname() else f" on {said.get('host')}"
        return f": since {minutes:.0f} min, process {said.get('pid')}{host}"
    return f": {one_line(str(said['reason']))}" if "reason" in said else ""
