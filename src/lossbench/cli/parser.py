"""What subcommands take: a wrong word is one line on standard error, like every other mistake."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lossbench.config.values import possible_path
from lossbench.errors import UserError, one_line

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """A parser of a subcommand's words that answers a mistake in one line.

    Args:
        name: of the subcommand.
        description: what it does, its layout kept; the first line says what is typed.
    """

    def __init__(self, name: str, description: str | None) -> None:
        super().__init__(
            f"lossbench {name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        print(f"error: {one_line(message)}; {self.prog} --help shows what can be typed", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def require_data(overrides: Sequence[str], command: str) -> None:
    """Refuse overrides of anything but the data set and its replicate: a command that builds data would ignore them.

    Raises:
        UserError: names the first one.
    """
    for word in overrides:
        if not re.match(r"[+~]{0,2}data(\.|=)|replicate=", word):
            raise UserError(
                f"{command} takes data=NAME, data.KEY=VALUE and replicate=NUMBER alone, got {word!r}; leave it out"
            )


def require_new_file(option: str, path: Path | None) -> None:
    """Refuse to overwrite a file, or to write where there is no folder; None is no file.

    Raises:
        UserError: names the option and the path.
    """
    if path is None:
        return
    if path.exists():
        raise UserError(f"{option} {path} exists already; name a new file")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.absolute().parent}")


def as_path(typed: str) -> Path:
    """Read a path, of any characters that a file may have; an empty one is a mistake, not the working directory."""
    try:
        possible_path("it", typed, "a path")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(typed)


def as_text(typed: str) -> str:
    """Read a name; an empty one is a mistake, not the default."""
    if not typed.strip():
        raise argparse.ArgumentTypeError("it must not be empty")
    return typed
