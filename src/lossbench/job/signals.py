"""SIGTERM and SIGUSR1 as a request to stop, handled in one place. Torch-free: they may come while torch is imported."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from lossbench.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopSignals:
    """Stop the run when a signal comes: at once, or while it trains at the end of the current step."""

    def __init__(self) -> None:
        self.received: str | None = None  # name of the first signal
        self.deferred = False  # until the end of a step, where everything is saved

    def install(self) -> None:
        """Install the handlers, also where a library has replaced them."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._handle)

    def stop(self) -> NoReturn:
        """Stop now.

        Raises:
            Stopped: always.
        """
        raise Stopped(self.received or "another process was asked to stop")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number).name
        if not self.deferred:
            self.stop()


@contextmanager
def handle_stop_signals() -> Iterator[StopSignals]:
    """Handle the signals while the block runs; afterwards the handlers are as before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop_signals = StopSignals()
    stop_signals.install()
    try:
        yield stop_signals
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def forward_signals(child: int) -> Iterator[None]:
    """Send the signals on to a child process while the block waits for it, from the main thread, which gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda sent, frame: os.kill(child, sent)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
