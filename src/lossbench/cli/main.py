"""The command `lossbench`: a subcommand by its first word, a run for anything else. Heavy imports are lazy."""

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import NoReturn

from lossbench.errors import UserError, exit_on_user_error, suggest, wants_details

COMMANDS = {
    "report": "which loss is better: a verdict, and a report of runs",
    "across": "which loss wins on several data sets, one row a data set",
    "status": "where runs stand, also while a sweep is running",
    "curves": "draw the histories of some runs",
    "evaluate": "measure a run's checkpoint again, on the same or on other data",
    "transfer": "which features a loss leaves behind: a linear probe on other data",
    "estimate-noise": "how labels become wrong, estimated from a trained run, for loss.matrix",
    "predict": "classify new examples with a trained run",
    "export": "write a trained run as a folder that predicts without lossbench",
    "check": "which images of a data set cannot be read, and why",
    "weights": "fetch published weights into a folder that machines without a network can use",
    "atlas": "draw what losses look like, without training; --check holds them to the laws",
    "convert-lists": "turn a pickled list of images into text without running anything in it",
}
"""Subcommand -> what it does. Each is `main` of the module of that name in lossbench.cli."""

PRINTING = ("-sc", "--shell-completion", "--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--version")


def main() -> NoReturn:
    """Run what this process's command line asks for, and exit."""
    run(sys.argv[1:])


def run(words: Sequence[str]) -> NoReturn:
    """Run a command line, and exit; a user's mistake is one line on standard error.

    Args:
        words: what is typed behind `lossbench`.

    Raises:
        SystemExit: always, with the exit code.
    """
    tracebacks = _wants_tracebacks()

    def explained(error: Exception) -> str | None:
        from lossbench.config.hydra_errors import explain  # imports Hydra

        return None if tracebacks else explain(error, words)

    exit_on_user_error(lambda: _dispatch(list(words)), explained, prints=_only_prints(words))


def _only_prints(words: Sequence[str]) -> bool:
    """Whether a command line is for what it prints; anything else goes on where nobody can read its output."""
    return bool(words) and (words[0] in COMMANDS or any(word.partition("=")[0] in PRINTING for word in words))


def _dispatch(words: list[str]) -> None:
    first = words[0] if words else ""
    if first == "--version":
        print(f"lossbench {version('lossbench')}")
    elif first in COMMANDS:
        import_module(f"lossbench.cli.{first.replace('-', '_')}").main(words[1:])
    elif _is_setting(first):
        from lossbench.cli.train import main as train

        train()
    elif words[1:] and words[1].startswith("="):
        raise UserError(f"a setting is one word: write {first}={''.join(words[1:3])[1:]}, without blanks around =")
    else:
        raise UserError(
            f"{first!r} is neither a command nor a setting KEY=VALUE; {suggest(first, COMMANDS)}; "
            "settings alone train a run, such as lossbench loss=power; --help shows them"
        )


def _is_setting(word: str) -> bool:
    """Whether a first word belongs to Hydra: none at all, a flag, an override such as key=1, +key=1 or ~key."""
    return word == "" or bool(re.match(r"[-+~]|[^=]*=", word))


def _wants_tracebacks() -> bool:
    """Whether the user set HYDRA_FULL_ERROR; otherwise it is set here.

    Hydra then re-raises what it would print as a traceback, so that one place words every error. A process started by
    this one inherits both variables: the second says that the user did not set the first.
    """
    if wants_details():
        return True
    os.environ |= {"HYDRA_FULL_ERROR": "1", "LOSSBENCH_WORDS_ERRORS": "1"}
    return False
