"""What one run directory holds, read from its result.json and status.json alone."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lossbench.errors import UserError
from lossbench.rundir.files import read_json
from lossbench.rundir.identity import RESULT_VERSION
from lossbench.rundir.result import Result

SHOWN_HASH = 8  # digits of an identity's hash in names


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
        result: what result.json holds; None where the run is not done.
    """

    path: Path
    status: Mapping[str, Any]
    result: Result | None

    @property
    def state(self) -> str:
        """The run's state; "done" is decided by result.json."""
        if self.result is not None:
            return "done"
        state = str(self.status.get("status", "planned"))
        return "planned" if state == "done" else state  # its result was moved away: the same command runs it again

    @property
    def done_result(self) -> Result:
        """The result of a run that is done."""
        assert self.result is not None
        return self.result

    @property
    def params(self) -> Mapping[str, Any]:
        """The flat configuration; of runs without a result only the invalid ones have one."""
        return self.status.get("params", {}) if self.result is None else self.result.params

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Metric -> value, e.g. test/accuracy; {} where the run is not done."""
        return {} if self.result is None else self.result.metrics

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
        """Wall-clock time of the run, s, over all its starts."""
        return None if self.result is None else self.result.seconds


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
        UserError: one of them is damaged, or another version of lossbench made the result.
    """
    status, result = path / "status.json", path / "result.json"
    return Record(path, read_json(status) if status.exists() else {}, _read_result(result) if result.exists() else None)


def _read_result(path: Path) -> Result:
    result = Result.read(path)
    if (found := result.params.get("result_version")) != RESULT_VERSION:
        raise UserError(
            f"{path} was made by another version of lossbench (result_version {found}, {RESULT_VERSION} here), "
            "so its numbers are not comparable; move it away, or name folders without it"
        )
    return result


def split_done(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Split runs into those with a result and those without."""
    records = list(records)
    done = [record for record in records if record.result is not None]
    return done, [record for record in records if record.result is None]


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
