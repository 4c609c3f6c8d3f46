"""A user's mistake ends in one clear line, never in a traceback."""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import NoReturn

from lossbench.streams import Output, OutputLost, open_streams


class UserError(Exception):
    """A mistake the user can repair: the message names the key or file, what was found, what is allowed, what to do."""


class DivergedError(UserError):
    """The training became NaN or infinite: what the run's settings led to, as much an outcome as a score."""


class OwnedError(UserError):
    """A live process owns the run: wait, or try again later."""


class Stopped(SystemExit):
    """A signal has stopped the run.

    Args:
        why: the signal's name.
        at: what was saved, such as step 120 of 300; empty where that is what an earlier checkpoint holds.
    """

    def __init__(self, why: str, at: str = "") -> None:
        super().__init__(130 if why == "SIGINT" else 143)
        self.why, self.at = why, at
        self.line = f"stopped ({why})"  # for the user; empty where it is printed already
        self.recorded = False  # in status.json


SHORT_NAMES = {
    "apl": "nce_mae",
    "asl": "asymmetric",
    "brier": "softmax_mse",
    "ce": "cross_entropy",
    "emd": "squared_emd",
    "gce": "generalized_cross_entropy",
    "js": "jensen_shannon",
    "ls": "label_smoothing",
    "nce": "normalized_cross_entropy",
    "nfl": "normalized_focal",
    "sce": "symmetric_cross_entropy",
}
"""Of losses, as papers have them -> the option's name."""


def suggest(name: str, options: Iterable[str]) -> str:
    """Name the closest option and all that exist: "did you mean X? Available: ...".

    A loss's short name, such as gce, is closest to the loss that it stands for.

    Args:
        name: what was asked for.
        options: the names that exist.

    Returns:
        A clause for the end of an error message.
    """
    names = sorted(options)
    meant = SHORT_NAMES.get(name.lower())
    close = [meant] if meant in names else get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}Available: {', '.join(names) or 'none'}"


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few of some names, with how many there are in all where that is more."""
    known = list(names)
    shown = ", ".join(known[:most])
    return shown if len(known) <= most else f"{shown}, ... ({len(known):,} in all)"


def one_line(error: BaseException | str) -> str:
    """Fold an error's message into one line."""
    return " ".join(str(error).split()) or type(error).__name__


def wants_details() -> bool:
    """Whether the user set HYDRA_FULL_ERROR; the command line sets it too, and says so in a second variable."""
    return "HYDRA_FULL_ERROR" in os.environ and "LOSSBENCH_WORDS_ERRORS" not in os.environ


def fail(line: str, error: BaseException | None = None) -> NoReturn:
    """Print one line on standard error and exit with 1.

    Args:
        line: what is wrong and what to do.
        error: the notes of it and of what caused it, such as a table, are printed first where the user wants details.
    """
    while error is not None and wants_details():
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        error = error.__cause__
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def exit_on_user_error(
    main: Callable[[], object], explain: Callable[[Exception], str | None] = lambda error: None, *, prints: bool = True
) -> NoReturn:
    """Run a command; a user's mistake prints one line on standard error and exits with 1.

    Args:
        main: the command.
        explain: gives one line for further exceptions (Hydra's); None leaves the traceback.
        prints: whether what it prints is what it is for; a run goes on where nobody can read its output.

    Raises:
        SystemExit: always, with the exit code: 0, 1 for an error, 130 after Ctrl-C, 143 after another signal.
    """
    output = open_streams(raises=prints)
    try:
        _run_and_flush(main)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except Stopped as stopped:
        if stopped.line:
            print(f"\n{stopped.line}", file=sys.stderr)
        raise
    except OutputLost as lost:
        if isinstance(lost.error, BrokenPipeError):  # the reader has what it wanted
            raise
        fail(f"cannot write the output: {lost.error.strerror}")
    except Exception as error:
        line = one_line(error) if isinstance(error, UserError) else explain(error)
        if line is None:
            raise
        fail(line, error)
    if output is not None:
        _report_failure(output)
    sys.exit(0)


def _report_failure(output: Output) -> None:
    """Say that what a run printed is lost, unless its reader has closed the pipe."""
    if output.failure is not None and not isinstance(output.failure, BrokenPipeError):
        print(f"done, but the output could not be written: {output.failure.strerror}", file=sys.stderr)


def _run_and_flush(main: Callable[[], object]) -> None:
    try:
        _require_working_directory()
        main()
    finally:
        atexit.register(_end_on_ctrl_c)  # before what libraries have registered
        sys.stdout.flush()


def _end_on_ctrl_c() -> None:
    """Ctrl-C while Python takes its modules down ends the process, without a traceback of one of them."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _require_working_directory() -> None:
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise UserError("the working directory has been deleted; change to one that exists") from error
