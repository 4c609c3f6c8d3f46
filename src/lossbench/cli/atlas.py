"""Draw what losses look like, without training and without data: lossbench atlas [loss=NAME,...] [module:Class ...].

Without a name all losses are drawn. module:Class is a loss in a file of yours, module.py in the working directory.
--check holds losses to the laws.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lossbench.cli.parser import Parser, as_path
from lossbench.config.composition import conf_folder
from lossbench.errors import UserError


def main(words: Sequence[str] | None = None) -> None:
    """Draw a page of losses, check them, or write their documentation."""
    given = _parser().parse_args(words)
    _require_compatible(given)
    if given.check:
        _check(given.losses)
    elif given.docs:
        _write_docs()
    else:
        _draw(given.losses, given.out or Path(os.environ.get("LOSSBENCH_RUNS") or "runs") / "atlas")


def _parser() -> Parser:
    parser = Parser("atlas", __doc__)
    parser.add_argument("losses", nargs="*", metavar="LOSS", help="loss=NAME[,NAME] or module:Class")
    parser.add_argument(
        "--out", type=as_path, help="folder of the page and its figures; default: atlas in LOSSBENCH_RUNS or runs"
    )
    parser.add_argument(
        "--check", action="store_true", help="hold the losses to the laws, a line each; exit code 1 if one is broken"
    )
    parser.add_argument(
        "--docs", action="store_true", help="in a checkout: write docs/losses.md and docs/img/losses of all losses"
    )
    return parser


def _require_compatible(given: argparse.Namespace) -> None:
    if (given.docs and (given.check or given.losses or given.out)) or (given.check and given.out):
        raise UserError("--check goes with losses, --docs alone, --out with neither")


# The atlas imports torch, which takes seconds: a wrong word should not.


def _check(losses: Sequence[str]) -> None:
    from lossbench.atlas.catalog import choose

    chosen = choose(losses, _folder())

    from lossbench.atlas.check import check_all

    sys.exit(check_all(chosen))


def _write_docs() -> None:
    docs = conf_folder().parent / "docs"
    if not docs.is_dir():
        raise UserError(f"--docs writes docs/losses.md of a checkout, and there is no {docs}; leave --docs out")

    from lossbench.atlas.catalog import choose
    from lossbench.atlas.document import write_docs

    print(write_docs(choose([], _folder()), docs))


def _draw(losses: Sequence[str], folder: Path) -> None:
    from lossbench.atlas.catalog import choose, registered

    chosen = choose(losses, _folder())

    from lossbench.atlas.publish import publish

    made = shlex.join(["lossbench", "atlas", *losses])
    print(f"\natlas: {publish(chosen, registered(_folder()), folder, made)}")


def _folder() -> Path:
    return conf_folder() / "loss"
