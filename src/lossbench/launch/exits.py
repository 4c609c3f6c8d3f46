"""How the process of a run has ended: by its status.json, its log and its exit code. Torch-free."""

import signal
from pathlib import Path

from lossbench.errors import one_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.lock import is_alive, read_owner
from lossbench.rundir.reading import DamagedError, open_file

LAST_LINES = 3


def is_locked(run: RunDirectory) -> bool:
    """Whether a living process owns the run directory."""
    lock = run.lock().path
    try:
        return is_alive(read_owner(lock), lock)
    except DamagedError:  # whoever starts the run says what is wrong with its lock
        return False


def exit_reason(run: RunDirectory, code: int) -> str:
    """Say why a run has no result: by its status.json, or else by its exit code, which status.json then records."""
    status = run.status
    if status.get("status") not in ("running", "planned") and "reason" in status:
        return str(status["reason"])
    reason = f"exit code {code}" if code >= 0 else _killed_by(signal.Signals(-code).name)
    run.set_status("failed", reason=reason)
    return reason


def recorded_reason(run: RunDirectory, otherwise: str) -> str:
    """The reason in status.json, or what is wrong with that file; the other text where it holds none."""
    try:
        return str(run.status.get("reason", otherwise))
    except DamagedError as error:
        return one_line(error)


def _killed_by(name: str) -> str:
    return f"killed by {name}" + (": out of memory, or by hand" if name == "SIGKILL" else "")


def last_lines(path: Path) -> list[str]:
    """Read the end of a log; [] where there is none."""
    if not path.is_file():
        return []
    with open_file(path) as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-LAST_LINES:]
