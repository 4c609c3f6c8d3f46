"""Hydra's options under the checks of Python 3.14's argparse, which stands here for older ones too."""

import argparse

import pytest
from hydra._internal.utils import get_args_parser

from lossbench.cli.lazy_help import accept_lazy_help


def check_help(parser: argparse.ArgumentParser, action: argparse.Action) -> None:
    """What argparse does with each option since Python 3.14."""
    try:
        assert action.help is not None
        action.help % {"prog": parser.prog}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError("badly formed help string") from error


@pytest.fixture
def _checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have argparse check every option as it is added."""
    add = argparse.ArgumentParser._add_action

    def checked_add(self: argparse.ArgumentParser, action: argparse.Action) -> argparse.Action:
        getattr(self, "_check_help")(action)  # noqa: B009 not there before Python 3.14
        return add(self, action)

    monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check_help, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "_add_action", checked_add)


@pytest.mark.usefixtures("_checks")
def test_hydras_options_are_accepted() -> None:
    with pytest.raises(ValueError, match="badly formed help string"):
        get_args_parser()
    accept_lazy_help()
    assert get_args_parser().parse_args(["--shell-completion"]).shell_completion


@pytest.mark.usefixtures("_checks")
def test_a_text_is_still_checked() -> None:
    accept_lazy_help()
    with pytest.raises(ValueError, match="badly formed help string"):
        argparse.ArgumentParser().add_argument("--share", help="100 % of it")
