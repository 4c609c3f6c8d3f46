"""What training needs of the signals that ask a run to stop; lossbench.job.signals provides it. Torch-free."""

from typing import NoReturn, Protocol

from lossbench.errors import Stopped


class StopSignals(Protocol):
    """Signals that ask the run to stop: at once, or while `deferred` when training calls `stop`."""

    received: str | None
    deferred: bool

    def install(self) -> None:
        """Install the handlers, also where a library has replaced them."""

    def stop(self) -> NoReturn:
        """Stop now."""
        ...


class NoSignals:
    """Stop for no signal: for training outside a job, in a benchmark."""

    def __init__(self) -> None:
        self.received: str | None = None
        self.deferred = False

    def install(self) -> None:
        """Leave the handlers as they are."""

    def stop(self) -> NoReturn:
        """Stop, where another process was asked to."""
        raise Stopped("another process was asked to stop")
