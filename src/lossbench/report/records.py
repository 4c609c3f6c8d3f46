"""What one run directory holds, read from its result.json and status.json alone."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lossbench.errors import UserError, one_line
from lossbench.report.shared import Shared
from lossbench.rundir.identity import RESULT_VERSION
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.result import Result
from lossbench.rundir.status import read_status

DAMAGED = "damaged"  # the state of a run whose files cannot be read; the reason names the file and the way out
RUN_FILES = {"status.json", "result.json"}
KINDS = ("replicate", "seed")
SHOWN_HASH = 8  # digits of an identity's hash in names


class DirectoryName(NamedTuple):
    """The parts of <data>-<model>-<loss>-<hash8>/replicate<r>, or seed<k>, which a run without a result has too.

    Args:
        setting: data, model and loss.
        digest: the first digits of the identity's hash.
        unit: number of the replicate or seed; None where the folder's name is neither.
        kind: "replicate", "seed", or "" where the folder's name is neither.
    """

    setting: str
    digest: str
    unit: int | None
    kind: Literal["replicate", "seed", ""]


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
    def trial(self) -> bool:
        """Whether it is a trial, which is never tested and so takes no part in comparisons."""
        return self.status.get("trial") is True if self.result is None else self.result.trial

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
        folder, name = self.path.resolve().parts[-2:]
        setting, _, digest = folder.rpartition("-")
        for kind in KINDS:
            number = name.removeprefix(kind)
            if number != name and number.isdigit():
                return DirectoryName(setting, digest, int(number), kind)
        return DirectoryName(setting, digest, None, "")

    @property
    def predictions_path(self) -> Path:
        """The file with the outputs on val and test."""
        return self.path / "predictions.npz"

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

    A folder that cannot be read counts as a run: reading it says why.

    Raises:
        UserError: a folder does not exist, or there is no run in any.
    """
    folders = list(folders)
    found: dict[Path, None] = {}
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist; name run directories, or folders of them such as runs/default")
        found |= dict.fromkeys(_below(folder, seen))
    if not found:
        raise UserError(f"there is no run in {', '.join(map(str, folders))}; lossbench makes them, below runs/<study>")
    return list(found)


def read_record(path: Path) -> Record:
    """Read status.json and result.json of a run directory.

    Raises:
        DamagedError: one of them is damaged, or another version of lossbench made the result.
    """
    result = path / "result.json"
    return Record(path, read_status(path / "status.json"), _read_result(result) if os.path.lexists(result) else None)


def read_records(paths: Iterable[Path]) -> list[Record]:
    """Read run directories; one that is damaged is a record with that state and the reason, and stops no other."""
    shared = Shared()
    return [_sharing(record, shared) for record in each_record(paths)]


def each_record(paths: Iterable[Path]) -> Iterator[Record]:
    """Read run directories one after another, for what need not hold all of them; damaged ones as `read_records`."""
    return map(_record_of, paths)


def _sharing(record: Record, shared: Shared) -> Record:
    result = None if record.result is None else shared.result(record.result)
    return Record(record.path, shared.status(record.status), result)


def _record_of(path: Path) -> Record:
    try:
        os.listdir(path)  # in a folder that may not be read, files seem to be absent
        return read_record(path)
    except DamagedError as error:
        return Record(path, {"status": DAMAGED, "reason": one_line(error)}, None)
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror}); make it readable, or name folders without it"
        return Record(path, {"status": DAMAGED, "reason": reason}, None)


def _read_result(path: Path) -> Result:
    result = Result.read(path)
    if (found := result.params.get("result_version")) != RESULT_VERSION:
        raise DamagedError(
            path,
            f"was made by another version of lossbench (result_version {found}, {RESULT_VERSION} here), "
            "so its numbers are not comparable",
            "move it away, or name folders without it",
        )
    return result


def split_done(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Split runs into those with a result and those without."""
    records = list(records)
    done = [record for record in records if record.result is not None]
    return done, [record for record in records if record.result is None]


def _below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Find the runs below a folder, each once whatever links lead to it; one that cannot be read is taken for a run."""
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            place = os.stat(folder)
            is_folder = {entry.name: _is_folder(entry) for entry in os.scandir(folder)}
        except OSError:
            yield folder
            continue
        if (place.st_dev, place.st_ino) in seen:
            continue
        seen.add((place.st_dev, place.st_ino))
        if not is_folder.keys().isdisjoint(RUN_FILES):
            yield folder
        else:
            waiting += _folders_in(folder, is_folder)


def _folders_in(folder: Path, is_folder: Mapping[str, bool]) -> list[Path]:
    """Where to look next, the last one first."""
    inside = (name for name in is_folder if is_folder[name] and not name.startswith("."))
    return [folder / name for name in sorted(inside, reverse=True)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
