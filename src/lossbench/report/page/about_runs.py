"""What was run, with what, and where it lies: the end of the page."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.records import Record
from lossbench.report.tables import Table, words_cell

SHOWN_RUNS = 30
SHOWN_HASH = 16
SHOWN_SETTINGS = (
    "data.batch_size", "model.", "optimizer.", "scheduler.", "trainer.max", "trainer.precision", "augment.", "loss.",
)  # fmt: skip


def ranges(numbers: Iterable[int]) -> str:
    """Write whole numbers as ranges: 0-4, 7."""
    parts: list[str] = []
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ", ".join(parts)


def commands(runs: Sequence[Record]) -> list[str]:
    """The commands that started the runs, each once, as they are typed."""
    words = (run.done_result.command for run in runs)
    found = dict.fromkeys(shlex.join(map(str, command)) for command in words if command)
    return [_as_typed(command) for command in list(found)[:SHOWN_RUNS]]


def facts(comparison: Comparison) -> dict[str, str]:
    """What the runs were made with, and the settings of the baseline."""

    def all_of(name: str) -> str:
        return ", ".join(dict.fromkeys(_in_words(getattr(run.done_result, name)) for run in comparison.runs))

    arm = comparison.baseline or comparison.arms[0]
    return {
        "baseline": comparison.baseline.label if comparison.baseline else "none",
        "versions": all_of("versions"),
        "git": all_of("git"),
        "device": all_of("device"),
        "engine": all_of("engine"),
        "data fingerprint": all_of("fingerprint"),
        f"settings of {arm.label}": _settings(arm.params),
    }


def arm_table(comparison: Comparison) -> Table:
    """The runs of each arm, with the hash that names their directories."""
    rows = [[words_cell(arm.label), ranges(arm.runs), _hash(arm)] for arm in comparison.arms]
    return Table("arms", "Runs of each loss", ["loss", f"{comparison.kind}s", "hash"], rows)


def without_result(missing: Sequence[Record]) -> list[dict[str, str]]:
    """State, path and reason of the first runs without a result."""
    return [
        {
            "state": record.state,
            "path": "/".join(record.path.resolve().parts[-3:]),
            "reason": str(record.status.get("reason", "")),
        }
        for record in missing[:SHOWN_RUNS]
    ]


def _hash(arm: Arm) -> str:
    return arm.digest[:SHOWN_HASH]


def _as_typed(command: str) -> str:
    program, space, words = command.partition(" ")
    if program.endswith("/lossbench"):  # the installed command, recorded with its folder
        return f"lossbench{space}{words}"
    return f"python {command}" if program.endswith(".py") else command


def _settings(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in params.items() if _is_shown(key, value))


def _is_shown(key: str, value: Any) -> bool:
    if not key.startswith(SHOWN_SETTINGS) or value in (None, {}, []):
        return False
    return not key.endswith("_target_") or key.startswith(("optimizer", "scheduler"))


def _in_words(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    parts = cast(Mapping[str, Any], value)
    return ", ".join(f"{name} {part}" for name, part in parts.items()) or "none"
