"""The one owner of the signals that ask a run to stop. Torch-free: signals may come while torch is imported."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lossbench.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Listener:
    """Hear that the run is to stop: at once, or while it trains at the end of the step that is going on."""

    def __init__(self) -> None:
        self.asked: str | None = None  # the signal's name
        self.waits = False  # for the end of a step, where all is saved

    def take(self) -> None:
        """Become the owner of the signals, also after somebody else has."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._hear)

    def stop(self) -> None:
        """Stop now.

        Raises:
            Stopped: always.
        """
        raise Stopped(self.asked or "another process was asked to stop")

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = self.asked or signal.Signals(number).name
        if not self.waits:
            self.stop()


@contextmanager
def forward_signals(child: int) -> Iterator[None]:
    """Send the signals on to a process that does the work, and wait for it as before."""
    before = {number: signal.signal(number, lambda heard, frame: os.kill(child, heard)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def listening() -> Iterator[Listener]:
    """Own the signals while the block runs."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listener = Listener()
    listener.take()
    try:
        yield listener
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
