"""metrics.csv: one tidy row a number, exact across interruptions."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lossbench.errors import UserError
from lossbench.rundir.files import cannot_write

COLUMNS = "step,epoch,name,value\n"


def line_start(step: int, epoch: int, name: str) -> str:
    """A line of metrics.csv up to its value: step = updates done, epoch counts from 0."""
    return f"{step},{epoch},{name},"


def lines(step: int, epoch: int, values: Mapping[str, float]) -> str:
    """The lines of one step: one for each value."""
    return "".join(f"{line_start(step, epoch, name)}{float(value)!r}\n" for name, value in values.items())


class History:
    """Append rows to metrics.csv; a resumed run cuts the file back to its checkpoint first.

    Args:
        path: the file.
        keep_bytes: its length when the checkpoint was written; 0 starts anew.

    Raises:
        UserError: the file cannot be written, or is shorter than the checkpoint says.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self.path = path
        found = path.stat().st_size if path.exists() else 0
        if found < keep_bytes:  # cutting it back would fill it up with zeros
            raise UserError(
                f"{path} has {found} bytes, its checkpoint needs {keep_bytes}; "
                "restore it, or start anew with force=true"
            )
        try:
            self._file = open(path, "r+b" if keep_bytes else "wb")  # noqa: SIM115 - it lives as long as the run
            self._file.truncate(keep_bytes)
            self._file.seek(keep_bytes)
        except OSError as error:
            raise cannot_write(path, error) from error
        if not keep_bytes:
            self._file.write(COLUMNS.encode())

    def add(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Add the lines of one step."""
        try:
            self._file.write(lines(step, epoch, values).encode())
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def flush(self) -> int:
        """Bring all rows to the disk and return the file's length in bytes."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return self._file.tell()

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            with suppress(OSError):  # said by flush
                self._file.close()
