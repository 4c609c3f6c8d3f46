"""Compare the losses of some runs, and write a report.

lossbench report DIR ... [--baseline LOSS] [--metric test/nll] [--margin 0.01] [--transfer]

DIR is a run directory or any folder of them, e.g. runs/default, or a fair fight, e.g. runs/default.tuned, which has a
report of its own. Runs that cannot be compared with each other are refused.
"""

import math
import re
from collections.abc import Sequence

from lossbench.cli.parser import Parser, as_path, as_text
from lossbench.errors import UserError
from lossbench.hardware import importing
from lossbench.report.tuned.found import find_all


def main(words: Sequence[str] | None = None) -> None:
    """Read the runs below some folders and write their report."""
    given = _parser().parse_args(words)
    if given.metric and not re.fullmatch(r"(val|test)/\w+", given.metric):
        raise UserError(f"--metric must be a metric of val or test such as test/accuracy, got {given.metric!r}")
    if given.margin is not None and not 0 < given.margin < math.inf:
        raise UserError(
            "--margin must be > 0 and finite, in the unit of the metric (0.01 is one point of accuracy), "
            f"got {given.margin}"
        )
    with importing():  # the results of many runs come and stay as modules do
        found = find_all(given.folders)

        from lossbench.report.tuned.publish import publish_found  # matplotlib and scipy take a second to import

        publish_found(found, given.baseline, given.metric, given.margin, given.out, transfer=given.transfer)


def _parser() -> Parser:
    parser = Parser("report", __doc__)
    parser.add_argument("folders", nargs="+", type=as_path, metavar="DIR")
    parser.add_argument(
        "--baseline",
        type=as_text,
        help="a loss, or a loss with settings as the report names it; default: cross_entropy, or what was planned",
    )
    parser.add_argument("--metric", type=as_text, help="default: the test value of what is monitored")
    parser.add_argument(
        "--margin",
        type=float,
        help="differences below it do not matter; 0.01 is one point of accuracy, the default there",
    )
    parser.add_argument(
        "--out", type=as_path, help="folder of the report; default: <study>/reports/<data>-<model>-<hash>"
    )
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="also judge them by their features on other data, which lossbench transfer has probed: further looks",
    )
    return parser
