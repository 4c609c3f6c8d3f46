"""What training needs of the signals that ask a run to stop; lossbench.job.signals provides it. Torch-free."""

from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn, Protocol

from lossbench.errors import Stopped


class StopSignals(Protocol):
    """Signals that ask the run to stop: they wait for `check`, unless a block says otherwise."""

    received: str | None
    urgent: bool

    @property
    def leaving(self) -> bool:
        """Whether `stop` was called."""
        ...

    def install(self) -> None:
        """Install the handlers, also where a library has replaced them."""

    def check(self) -> None:
        """Stop here if a signal has come."""

    def stop(self, at: str = "") -> NoReturn:
        """Stop now; `at` says what was saved."""
        ...

    def stops_at_once(self) -> AbstractContextManager[None]:
        """Let a signal end the block wherever it is."""
        ...

    def stops_if_urgent(self) -> AbstractContextManager[None]:
        """Let only Ctrl-C after another signal end the block wherever it is."""
        ...


class NoSignals:
    """Stop for no signal: for training outside a job, in a benchmark."""

    def __init__(self) -> None:
        self.received: str | None = None
        self.urgent = self.leaving = False

    def install(self) -> None:
        """Leave the handlers as they are."""

    def check(self) -> None:
        """Go on."""

    def stop(self, at: str = "") -> NoReturn:
        """Stop, where another process was asked to."""
        raise Stopped("another process was asked to stop", at)

    def stops_at_once(self) -> AbstractContextManager[None]:
        """Change nothing."""
        return nullcontext()

    def stops_if_urgent(self) -> AbstractContextManager[None]:
        """Change nothing."""
        return nullcontext()
