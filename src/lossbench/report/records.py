"""What one run directory holds, read from its result.json and status.json alone."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

from lossbench.errors import UserError
from lossbench.rundir.files import read_json

SHOWN_HASH = 8  # digits of an identity's hash in names
REQUIRED = ("metrics", "params", "seed", "loss", "hash", "n", "fingerprint")


class DirectoryName(NamedTuple):
    """The parts of <data>-<model>-<loss>-<hash8>/seed<k>, which a run without a result has too.

    Args:
        setting: data, model and loss.
        digest: the first digits of the identity's hash.
        seed: None where the folder's name is no seed.
    """

    setting: str
    digest: str
    seed: int | None


@dataclass(frozen=True)
class Record:
    """The files of one run directory.

    Args:
        path: the directory.
        status: content of status.json; {} where there is none.
        result: content of result.json; None where the run is not done.
    """

    path: Path
    status: Mapping[str, Any]
    result: Mapping[str, Any] | None

    @property
    def state(self) -> str:
        """The run's state; "done" is decided by result.json."""
        if self.result is not None:
            return "done"
        state = str(self.status.get("status", "planned"))
        return "planned" if state == "done" else state  # its result was moved away: the same command runs it again

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The content of result.json; {} where the run is not done."""
        return self.result or {}

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The flat configuration; of runs without a result only the invalid ones have one."""
        return (self.result or self.status).get("params", {})

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Metric -> value, e.g. test/accuracy; {} where the run is not done."""
        return self.facts.get("metrics", {})

    @property
    def n(self) -> Mapping[str, int]:
        """Split -> number of examples; {} where the run is not done."""
        return self.facts.get("n", {})

    @property
    def name(self) -> DirectoryName:
        """The parts of the directory's name."""
        folder, seed = self.path.resolve().parts[-2:]
        setting, _, digest = folder.rpartition("-")
        number = seed.removeprefix("seed")
        return DirectoryName(setting, digest, int(number) if number != seed and number.isdigit() else None)

    @property
    def study(self) -> Path:
        """The folder of the study."""
        return self.path.resolve().parents[1]

    @property
    def seconds(self) -> float | None:
        """Wall-clock time of the run, s; of an interrupted one, that of its last start scaled to all steps."""
        seconds, resumed_at = self.facts.get("seconds"), self.facts.get("resumed_at") or 0
        if seconds is None or not resumed_at:
            return seconds
        steps = self.facts["steps"]
        made = steps - resumed_at
        return seconds * steps / made if made > 0 else None


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


def read_record(path: Path) -> Record:
    """Read status.json and result.json of a run directory.

    Raises:
        UserError: one of them is damaged.
    """
    status, result = path / "status.json", path / "result.json"
    return Record(path, read_json(status) if status.exists() else {}, _read_result(result) if result.exists() else None)


def split_done(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Split runs into those with a result and those without."""
    records = list(records)
    done = [record for record in records if record.result is not None]
    return done, [record for record in records if record.result is None]


def _read_result(path: Path) -> dict[str, Any]:
    result = read_json(path)
    if missing := [key for key in REQUIRED if key not in result]:
        raise UserError(f"{path} lacks {', '.join(missing)}; move it away and start the run again")
    if not _are_measured(result["metrics"]):
        raise UserError(f"{path} is damaged: expected finite numbers as metrics; move it away and start the run again")
    return result


def _are_measured(metrics: object) -> bool:
    if not isinstance(metrics, dict):
        return False
    return all(map(_is_measured, cast(dict[str, object], metrics).values()))


def _is_measured(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _below(folder: Path) -> Iterator[Path]:
    try:
        is_folder = {entry.name: entry.is_dir() for entry in os.scandir(folder)}
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}; name folders that can") from error
    if "status.json" in is_folder or "result.json" in is_folder:
        yield folder
        return
    for name in sorted(is_folder):
        if is_folder[name] and not name.startswith("."):
            yield from _below(folder / name)
