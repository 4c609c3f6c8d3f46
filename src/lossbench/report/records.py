"""One table of any set of run directories, from their result.json and status.json alone."""

import csv
import io
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lossbench.errors import UserError
from lossbench.rundir.files import read_json, write_atomic

FACTS = (
    "study",
    "data",
    "model",
    "loss",
    "hash",
    "seed",
    "status",
    "reason",
    "steps",
    "epochs",
    "seconds",
    "peak_memory_mb",
    "engine",
    "device",
)
SHOWN_HASH = 8


@dataclass(frozen=True)
class Record:
    """What one run directory says.

    Args:
        path: the directory.
        status: what status.json holds; {} where there is none.
        result: what result.json holds; None where the run is not done.
    """

    path: Path
    status: Mapping[str, Any]
    result: Mapping[str, Any] | None

    @property
    def state(self) -> str:
        """The run's state; result.json decides what is done."""
        if self.result is not None:
            return "done"
        said = str(self.status.get("status", "planned"))
        return "planned" if said == "done" else said  # its result was moved away: the same command runs it again

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The flat configuration; of runs without a result only invalid ones know theirs."""
        return (self.result or self.status).get("params", {})

    @property
    def named(self) -> tuple[str, str, int | None]:
        """What the directory's name says, also of a run without a result: data, model and loss; the start of the hash; the seed."""
        folder, seed = self.path.resolve().parts[-2:]
        what, _, digest = folder.rpartition("-")
        return what, digest, int(seed[4:]) if seed.startswith("seed") and seed[4:].isdigit() else None

    @property
    def seconds(self) -> float | None:
        """Wall-clock time of the whole run, s: of one that was interrupted, its last start's in proportion to the steps that this made."""
        result = self.result or {}
        seconds, resumed_at = result.get("seconds"), result.get("resumed_at") or 0
        if seconds is None or not resumed_at:
            return seconds
        made = result["steps"] - resumed_at
        return seconds * result["steps"] / made if made > 0 else None

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metric -> value, e.g. test/accuracy; {} where the run is not done."""
        return self.result["metrics"] if self.result is not None else {}


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Find the run directories in some folders, at any depth; archived runs (.archive) are left out.

    Raises:
        UserError: a folder does not exist, or there is no run in any.
    """
    folders = list(folders)
    found: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist; name run directories, or folders of them such as runs/default")
        found |= dict.fromkeys(_below(folder))
    if not found:
        raise UserError(f"there is no run in {', '.join(map(str, folders))}; lossbench makes them, below runs/<study>")
    return list(found)


def read_done(folders: Sequence[Path]) -> list[Record]:
    """Read all runs below some folders, for a comparison of those that are done.

    Raises:
        UserError: none is done, a file is damaged, or the runs cannot be compared with each other.
    """
    records = [read_record(path) for path in find_runs(folders)]
    done = [record for record in records if record.result is not None]
    if not done:
        states = ", ".join(sorted({record.state for record in records}))
        raise UserError(
            f"none of the {len(records)} runs in {', '.join(map(str, folders))} is done ({states}); run them first"
        )
    require_comparable(done)
    return records


def read_record(path: Path) -> Record:
    """Read what a run directory says.

    Raises:
        UserError: a file in it is damaged.
    """
    status, result = path / "status.json", path / "result.json"
    said = read_json(status) if status.exists() else {}
    if not result.exists():
        return Record(path, said, None)
    whole = read_json(result)
    if missing := [
        key for key in ("metrics", "params", "seed", "loss", "hash", "n", "fingerprint") if key not in whole
    ]:
        raise UserError(f"{result} lacks {', '.join(missing)}; move it away and start the run again")
    if not (isinstance(whole["metrics"], dict) and all(map(_is_measured, whole["metrics"].values()))):
        raise UserError(
            f"{result} is damaged: expected finite numbers as metrics; move it away and start the run again"
        )
    return Record(path, said, whole)


def require_comparable(records: Sequence[Record]) -> None:
    """Refuse to compare runs that were not measured on the same examples in the same way.

    Raises:
        UserError: says in what the first two kinds differ, and names a run of each.
    """
    kinds: dict[str, dict[str, Record]] = {}
    for record in records:
        for what, value in comparable_by(record).items():
            kinds.setdefault(what, {}).setdefault(value, record)
    for what, seen in kinds.items():
        if len(seen) > 1:
            (ours, one), (theirs, other) = list(seen.items())[:2]
            raise UserError(
                f"these runs cannot be compared, their {what} differ: {ours} in {one.path}, {theirs} in {other.path}"
            )


def comparable_by(record: Record) -> dict[str, str]:
    """What must be the same in all runs of a comparison."""
    assert record.result is not None
    result, params = record.result, record.params
    n = result["n"]
    return {
        "data sets": str(result.get("data")),
        "data fingerprints (examples and splits)": str(result["fingerprint"])[:16],
        "numbers of examples": f"val {n.get('val')}, test {n.get('test')}",
        "tested weights (evaluate)": str(params.get("evaluate")),
        "classes": str(len(result.get("classes", ()))),
    }


def rows(records: Iterable[Record]) -> tuple[list[str], list[dict[str, Any]]]:
    """One row a run: facts, metrics as they are named, settings as params.NAME.

    Returns:
        The columns, and the rows as column -> value; what a run does not have is missing.
    """
    made, columns = [], dict.fromkeys(("path", *FACTS))
    for record in records:
        facts = {**{name: record.status.get(name) for name in FACTS}, **(record.result or {}), "status": record.state}
        row = {"path": str(record.path), **{name: facts.get(name) for name in FACTS}, **record.metrics}
        row |= {f"params.{name}": value for name, value in record.params.items()}
        columns |= dict.fromkeys(row)
        made.append(row)
    return list(columns), made


def write_csv(path: Path, columns: Sequence[str], table: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_atomic(path, lambda file: file.write(text.getvalue().encode(errors="replace")))


def by_seed(records: Iterable[Record]) -> dict[str, dict[int, Record]]:
    """Group done runs: hash -> seed -> run. Of two copies of one run the first counts."""
    groups: dict[str, dict[int, Record]] = defaultdict(dict)
    for record in records:
        if record.result is not None:
            groups[record.result["hash"]].setdefault(record.result["seed"], record)
    return dict(groups)


def _is_measured(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _below(folder: Path) -> Iterator[Path]:
    try:
        names = {entry.name: entry.is_dir() for entry in os.scandir(folder)}
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}; name folders that can") from error
    if "status.json" in names or "result.json" in names:
        yield folder
        return
    for name in sorted(name for name, is_folder in names.items() if is_folder and not name.startswith(".")):
        yield from _below(folder / name)
