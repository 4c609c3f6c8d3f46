"""A user's mistake ends in one clear line, never in a traceback."""

import os
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import NoReturn


class UserError(Exception):
    """A mistake the user can repair: the message names the key or file, what was found, what is allowed, what to do."""


class OwnedError(UserError):
    """A live process owns the run: wait, or try again later."""


class Stopped(SystemExit):
    """A signal stopped the run; its checkpoint is saved, and the same command resumes it.

    Args:
        why: the signal's name.
    """

    def __init__(self, why: str) -> None:
        super().__init__(143)
        self.why = why


def suggest(name: str, options: Iterable[str]) -> str:
    """Name the closest option and all that exist: "did you mean X? Available: ...".

    Args:
        name: what was asked for.
        options: the names that exist.

    Returns:
        A clause for the end of an error message.
    """
    names = sorted(options)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}Available: {', '.join(names) or 'none'}"


def one_line(error: BaseException | str) -> str:
    """Fold an error's message into one line."""
    return " ".join(str(error).split()) or type(error).__name__


def fail(line: str) -> NoReturn:
    """Print one line on standard error and exit with 1."""
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def exit_on_user_error(
    main: Callable[[], object], explain: Callable[[Exception], str | None] = lambda error: None
) -> NoReturn:
    """Run a command; a user's mistake prints one line on standard error and exits with 1.

    Args:
        main: the command.
        explain: gives one line for further exceptions (Hydra's); None leaves the traceback.

    Raises:
        SystemExit: always, with the exit code: 0, 1 for an error, 130 after Ctrl-C.
    """
    try:
        main()
        sys.stdout.flush()  # here, so that a closed pipe raises inside the try
    except KeyboardInterrupt:
        print("\ninterrupted: the same command again resumes from the last checkpoint", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader closed the pipe: stdout leads nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except UserError as error:
        fail(one_line(error))
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        fail(line)
    sys.exit(0)
