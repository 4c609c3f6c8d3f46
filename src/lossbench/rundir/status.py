"""status.json: where a run stands, who works on it since when, and why it failed."""

from pathlib import Path
from typing import Any

from lossbench.rundir.kinds import SETTINGS, TEXT, TEXTS, TIME, TRUE_OR_FALSE, WHOLE, check_kinds, list_of
from lossbench.rundir.reading import read_json_if_any

DIVERGED = "diverged"
"""The cause of a failed run whose training became NaN or infinite."""

KINDS = {
    "status": TEXT,
    "reason": TEXT.or_null(),
    "cause": TEXT.or_null(),
    "host": TEXT.or_null(),
    "pid": WHOLE.or_null(),
    "job": TEXT.or_null(),
    "planned": TIME,
    "running": TIME,
    "updated": TIME,
    "command": TEXTS,
    "trial": TRUE_OR_FALSE,
    "params": SETTINGS,
    "made_with": SETTINGS.or_null(),
    "changed_on_resume": list_of(SETTINGS, "a list of changes"),
}


def read_status(path: Path) -> dict[str, Any]:
    """Read a status.json; {} where there is none.

    Raises:
        DamagedError: it is damaged.
    """
    found = read_json_if_any(path) or {}
    check_kinds(path, found, KINDS)
    return found
