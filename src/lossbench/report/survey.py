"""Where the runs of some folders stand."""

import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from lossbench.errors import UserError, one_line
from lossbench.report.records import Record, read_record
from lossbench.rundir.lock import is_alive, read_owner

ORDER = ("done", "running", "planned", "preempted", "cancelled", "invalid", "failed")
NOT_LISTED = ("done", "planned")


def survey(paths: Iterable[Path], most: int) -> str:
    """Count runs by state and list those that run, and those that need a look, with the reason.

    Args:
        paths: run directories.
        most: how many to list of each state.

    Returns:
        Lines for the terminal.
    """
    by_state: dict[str, list[Record]] = {}
    damaged: list[str] = []
    for path in paths:
        try:
            record = read_record(path)
        except UserError as error:
            damaged.append(f"  damaged    {error}")
        else:
            by_state.setdefault(_state(record), []).append(record)
    ordered = {state: by_state[state] for state in (*ORDER, *by_state) if state in by_state}
    lines = [_totals({state: len(records) for state, records in ordered.items()}, len(damaged))]
    for state, records in ordered.items():
        if state not in NOT_LISTED:
            lines += _listed(state, records, most)
    return "\n".join([*lines, *damaged])


def _totals(counts: dict[str, int], damaged: int) -> str:
    total = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none readable"
    return f"{sum(counts.values()) + damaged} runs: {total}{f', {damaged} damaged' if damaged else ''}"


def _listed(state: str, records: list[Record], most: int) -> list[str]:
    lines = [f"  {state:9}  {record.path}{_about(record)}" for record in records[:most]]
    return [*lines, f"  ... and {len(records) - most} more {state}"] if len(records) > most else lines


def _state(record: Record) -> str:
    """A run with the status running whose process is dead is interrupted."""
    lock = record.path / "lock.json"
    if record.state == "running" and not is_alive(read_owner(lock), lock):
        return "interrupted"
    return record.state


def _about(record: Record) -> str:
    status = record.status
    if record.state == "running":
        host = "" if status.get("host") == socket.gethostname() else f" on {status.get('host')}"
        return f": since {_minutes(status.get('running')):.0f} min, process {status.get('pid')}{host}"
    return f": {one_line(str(status['reason']))}" if "reason" in status else ""


def _minutes(since: str | None) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds() / 60 if since else 0
