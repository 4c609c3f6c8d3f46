"""Show where runs stand, also while a sweep is running: lossbench status [DIR ...] [--most 20]."""

import os
from collections.abc import Sequence
from pathlib import Path

from lossbench.cli.parser import Parser, as_path
from lossbench.errors import UserError
from lossbench.report.records import find_runs
from lossbench.report.survey import survey


def main(words: Sequence[str] | None = None) -> None:
    """Count the runs below some folders by state."""
    given = _parser().parse_args(words)
    if given.most < 0:
        raise UserError(f"--most must be >= 0, got {given.most}")
    print(survey(find_runs(given.folders or [Path(os.environ.get("LOSSBENCH_RUNS") or "runs")]), given.most))


def _parser() -> Parser:
    parser = Parser("status", __doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        type=as_path,
        metavar="DIR",
        help="run directories or folders of them; default: LOSSBENCH_RUNS or runs",
    )
    parser.add_argument("--most", type=int, default=20, help="runs listed of each state")
    return parser
