"""One process computes what is kept in a cache; the others wait for it."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lossbench.errors import UserError
from lossbench.rundir.lock import Lock


@contextmanager
def build_lock(lock: Path, path: Path) -> Iterator[None]:
    """Let one process run the block; the others wait until it has ended, or died.

    Args:
        lock: the file that says who builds.
        path: what is built.

    Raises:
        OSError: the lock cannot be written.
    """
    with ExitStack() as stack:
        announced = False
        while True:
            try:
                stack.enter_context(Lock(lock))
                break
            except UserError as error:
                if isinstance(error.__cause__, OSError):  # nobody owns it: it cannot be written
                    raise error.__cause__ from None
            if not announced:
                print(f"waiting for another process that builds {path}", file=sys.stderr, flush=True)
                announced = True
            time.sleep(0.5)
        yield
