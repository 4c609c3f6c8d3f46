"""Hydra 1.3 on Python 3.14, whose argparse refuses a help that is no text, as Hydra's of --shell-completion."""

import argparse
from typing import Any


def accept_lazy_help() -> None:
    """Let argparse check the help of options only where it is a text. Before Python 3.14 it checks none."""
    parser: Any = argparse.ArgumentParser
    check = getattr(parser, "_check_help", None)
    if check is None:
        return

    def check_texts(self: argparse.ArgumentParser, action: argparse.Action) -> None:
        if isinstance(action.help, str):
            check(self, action)

    parser._check_help = check_texts
