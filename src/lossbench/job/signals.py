"""Signals that ask a run to stop, handled in one place. Torch-free: they may come while torch is imported."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from types import FrameType
from typing import NoReturn

from lossbench.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
SAME_REQUEST_SECONDS = 0.1  # a terminal and a wrapper may both deliver one Ctrl-C
LEAVING_SECONDS = 10.0  # in which a stopped process should end


class Reaction(Enum):
    """What a signal does in a block: it waits for `check`, or it ends the block wherever it comes."""

    WAITS = auto()
    ENDS_IF_URGENT = auto()
    ENDS = auto()


class StopSignals:
    """Signals that ask to stop: they wait for the next `check`, unless a block says otherwise."""

    def __init__(self) -> None:
        self.received: str | None = None  # name of the first signal
        self._process = os.getpid()
        self.urgent = False  # a user has pressed Ctrl-C again
        self._reaction = Reaction.WAITS
        self._last = self._left = float("-inf")  # when the last signal came, and when `stop` was called
        # Background jobs of a script start with SIGINT ignored, those of nohup with SIGHUP: they keep it so.
        self._numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.getsignal(number) for number in self._numbers}

    @property
    def leaving(self) -> bool:
        """Whether `stop` was called: further signals do nothing for a while."""
        return self._left > float("-inf")

    def install(self) -> None:
        """Install the handlers, also where a library has replaced them."""
        if threading.current_thread() is threading.main_thread():
            for number in self._numbers:
                signal.signal(number, self._handle)

    def restore(self) -> None:
        """Put the handlers back that were there before."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def check(self) -> None:
        """Stop here if a signal has come.

        Raises:
            Stopped: a signal has come.
        """
        if self.received is not None:
            self.stop()

    def stop(self, at: str = "") -> NoReturn:
        """Stop now.

        Args:
            at: what was saved, such as step 120 of 300.

        Raises:
            Stopped: always.
        """
        self._left, self._reaction = time.monotonic(), Reaction.WAITS
        raise Stopped(self.received or "another process was asked to stop", at)

    @contextmanager
    def stops_at_once(self) -> Generator[None]:
        """Let a signal end the block wherever it is: nothing in it has to be saved.

        Raises:
            Stopped: a signal has come.
        """
        self.check()
        with self._reacting(Reaction.ENDS):
            yield
        self.check()  # an exception that is raised in a destructor is lost

    @contextmanager
    def stops_if_urgent(self) -> Generator[None]:
        """Let a signal wait for `check`, and Ctrl-C after it end the block wherever it is."""
        with self._reacting(Reaction.ENDS_IF_URGENT):
            yield

    @contextmanager
    def _reacting(self, reaction: Reaction) -> Generator[None]:
        before, self._reaction = self._reaction, reaction
        try:
            yield
        except Exception as error:
            if self.leaving:  # libraries turn what is raised in the middle of them into errors of their own
                raise Stopped(str(self.received)) from error
            raise
        finally:
            self._reaction = Reaction.WAITS if self.leaving else before

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if os.getpid() != self._process:
            _handle_in_child(number)
        elif now - self._last >= SAME_REQUEST_SECONDS:
            self._note(number, now)

    def _note(self, number: int, now: float) -> None:
        # A cluster sends SIGTERM after SIGUSR1, and SIGTERM more than once: only Ctrl-C again is urgent.
        self.urgent = self.urgent or (self.received is not None and number == signal.SIGINT)
        self._last, self.received = now, self.received or signal.Signals(number).name
        if self.leaving:
            _kill_if_stuck(number, now - self._left)
        elif self._stops_here():
            self.stop()
        elif number == signal.SIGINT:
            _acknowledge(self.urgent)

    def _stops_here(self) -> bool:
        return self._reaction is Reaction.ENDS or (self.urgent and self._reaction is Reaction.ENDS_IF_URGENT)


def _handle_in_child(number: int) -> None:
    """In a forked process, such as a loader of data, leave what a terminal sends to the process that runs it."""
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _acknowledge(urgent: bool) -> None:
    """Tell a terminal what happens; print may be in the middle of a line, or its buffer."""
    if os.isatty(2) and not urgent:
        with suppress(OSError):  # the terminal is gone
            os.write(2, b"\nstopping after this step; Ctrl-C again stops at once\n")


def _kill_if_stuck(number: int, seconds: float) -> None:
    """End a process that has been asked to stop, has begun to, and hangs."""
    if seconds > LEAVING_SECONDS:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


_active: list[StopSignals] = []  # of this process: blocks inside others share it


@contextmanager
def handle_stop_signals() -> Generator[StopSignals]:
    """Handle the signals while the block runs, then put the handlers back; blocks inside another share its signals."""
    if _active:
        yield _active[0]
        return
    stop_signals = StopSignals()
    _active.append(stop_signals)
    stop_signals.install()
    try:
        yield stop_signals
    finally:
        stop_signals.restore()
        _active.clear()


@contextmanager
def signals_ignored() -> Generator[None]:
    """Ignore the signals while the block runs, in the main thread, which gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def forward_signals(child: subprocess.Popen[bytes]) -> Generator[None]:
    """Send the signals on to a child process while the block waits for it, from the main thread, which gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda sent, frame: child.send_signal(sent)) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
