"""One owner at a time: a lock on a run directory that survives crashes and respects the living."""

import json
import os
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import psutil

from lossbench.config.plain import is_mapping
from lossbench.errors import OwnedError
from lossbench.rundir.files import cannot_write, write_json
from lossbench.rundir.reading import DamagedError, open_file
from lossbench.rundir.slurm_job import is_over

HEARTBEAT_SECONDS = 15
# Seen from another host, an owner is dead when its heartbeat is this old.
DEAD_AFTER_SECONDS = 180
MOST_BYTES = 10_000


class Lock:
    """Own a run directory while the block runs; a dead owner's lock is taken over, a live one's is respected.

    Args:
        path: the lock file inside the run directory.

    Raises:
        UserError: on entering, when a live process owns the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner: dict[str, Any] = {
            "token": uuid4().hex,
            **_process(os.getpid()),
            "job_id": os.environ.get("SLURM_JOB_ID"),
        }
        self._stop = threading.Event()
        self._first: Lock | None = None
        self._handle: int | None = None

    def __enter__(self) -> Self:
        self.take()
        threading.Thread(target=beat, args=([self], self._stop), name="lossbench-heartbeat", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.release()

    @property
    def is_damaged(self) -> bool:
        """Whether something is in the lock's place that no process has written: a folder, a link that leads nowhere."""
        return os.path.lexists(self.path) and not self.path.is_file()

    def take(self, first: "Lock | None" = None) -> None:
        """Become the owner; without the heartbeat that a block has.

        Args:
            first: a lock that this process has taken and will release last: this one becomes another name of its file,
                where the file system has hard links. A thousand files of their own take seconds to free.

        Raises:
            OwnedError: a live process owns the directory.
            DamagedError: something is in the way that no process will ever remove.
        """
        if self.is_damaged:
            raise DamagedError(self.path, "is not a file", f"delete it (rm -r {quote(str(self.path))}) and start again")
        if first is not None and self._link(first):
            return
        if not self._create(self.path):
            self._take_over()

    def release(self) -> None:
        """Give the directory up, if it is still owned."""
        if self._is_mine():
            self.path.unlink(missing_ok=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _is_mine(self) -> bool:
        if self._first is None or self._first._handle is None:
            return read_owner(self.path).get("token") == self.owner["token"]
        return self._is(self._first._handle)

    def _is(self, handle: int) -> bool:
        """Whether the lock is another name of an open file."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(handle))
        except FileNotFoundError:
            return False

    def _link(self, first: "Lock") -> bool:
        try:
            handle = first._open()
            os.link(first.path, self.path)
        except OSError:  # it is locked, or the file system has no hard links
            return False
        if not self._is(handle):  # another process has taken the first one over
            self.path.unlink(missing_ok=True)
            return False
        self._first, self.owner = first, first.owner
        return True

    def _open(self) -> int:
        """The file, opened: as long as it is, no other file is taken for it."""
        if self._handle is None:
            self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._handle

    def touch(self) -> bool:
        """Show that the owner lives; False where there is nothing left to own."""
        try:
            os.utime(self.path)
        except FileNotFoundError:  # the directory was moved or deleted by hand
            return False
        except OSError:  # a network file system away for a moment: the next beat may succeed
            return True
        return True

    def _create(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(self.owner, file)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise cannot_write(path, error) from error
        return True

    def _take_over(self) -> None:
        stale = read_owner(self.path)
        if is_alive(stale, self.path):
            where = f"process {stale.get('pid')} on {stale.get('host')}"
            raise OwnedError(
                f"{self.path.parent} is being run by {where}; wait for it or stop it, then repeat the command"
            )
        if _is_of_the_future(stale, self.path):
            raise DamagedError(
                self.path,
                f"has a heartbeat {-_age(self.path):.0f} s in the future: the clocks of this machine and of "
                f"{stale.get('host') or 'another machine'} differ",
                f"if nothing runs this run there, delete it (rm {quote(str(self.path))}) and start again",
            )
        # Of several that see the same dead owner only one can create this file, and it looks again afterwards.
        gate = self.path.with_name(f"{self.path.name}.{stale.get('token', 'broken')}")
        if gate.exists() and _age(gate) > DEAD_AFTER_SECONDS:
            gate.unlink(missing_ok=True)
        if not self._create(gate):
            raise OwnedError(
                f"{self.path.parent} is just being taken over by another process; repeat the command in a moment"
            )
        try:
            now = read_owner(self.path)
            if now.get("token") != stale.get("token") and self.path.exists():
                raise OwnedError(
                    f"{self.path.parent} was just taken over by process {now.get('pid')} on {now.get('host')}"
                )
            write_json(self.path, self.owner)
        finally:
            gate.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _process(pid: int) -> dict[str, Any]:
    """What a lock says of a process that takes it."""
    return {"host": socket.gethostname(), "pid": pid, "process_started": psutil.Process(pid).create_time()}


def beat(locks: list[Lock], stop: threading.Event) -> None:
    """Touch locks every few seconds until the event is set."""
    while locks and not stop.wait(HEARTBEAT_SECONDS):
        locks = [lock for lock in locks if lock.touch()]


@contextmanager
def all_of(locks: list[Lock]) -> Generator[None]:
    """Keep locks that have been taken fresh while the block runs, with one thread for all, then release them.

    The first one is released last: others may be names of its file.
    """
    stop = threading.Event()
    threading.Thread(target=beat, args=(list(locks), stop), name="lossbench-heartbeat", daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        for lock in reversed(locks):
            lock.release()


def read_owner(path: Path) -> dict[str, Any]:
    """Read a lock; an empty dictionary when there is none or its writer died while writing it.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        with open_file(path) as file:
            owner = json.loads(file.read(MOST_BYTES))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    except OSError as error:
        raise DamagedError(path, f"cannot be read ({error.strerror})", "delete it if nothing runs this run") from error
    if not is_mapping(owner):
        return {}
    return {key: value for key, value in owner.items() if key != "token" or _is_name(value)}


def _is_name(token: object) -> bool:
    """Whether a token may be part of a file's name."""
    return isinstance(token, str) and token.isalnum() and len(token) <= 64


def is_alive(owner: dict[str, Any], path: Path) -> bool:
    """Whether a lock's owner still lives: by process on this host, by its job and its heartbeat on another one."""
    if owner.get("host") != socket.gethostname():
        if owner.get("job_id") and is_over(str(owner["job_id"])):
            return False
        return path.exists() and -DEAD_AFTER_SECONDS <= _age(path) < (DEAD_AFTER_SECONDS if owner else 2)
    try:
        process = psutil.Process(int(owner["pid"]))
        # A killed process stays a zombie while its parent does not wait for it: in many containers for ever.
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - owner["process_started"]) < 1
    except (psutil.NoSuchProcess, KeyError, TypeError, ValueError, OverflowError):
        return False


def _is_of_the_future(owner: dict[str, Any], path: Path) -> bool:
    """Whether another machine's clock, or a copy of the file, gave the heartbeat a time that is still to come."""
    if owner.get("host") == socket.gethostname() or not path.exists() or _age(path) >= -DEAD_AFTER_SECONDS:
        return False
    return not (owner.get("job_id") and is_over(str(owner["job_id"])))


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
