"""Compare the losses of some runs, and write a report.

lossbench report DIR ... [--baseline LOSS] [--metric test/nll] [--margin 0.01]

DIR is a run directory or any folder of them, e.g. runs/default. Runs that cannot be compared with each other are
refused.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lossbench.report.comparable import read_done


def main(words: Sequence[str] | None = None) -> None:
    """Read the runs below some folders and write their report."""
    given = _parser().parse_args(words)
    records = read_done(given.folders)

    from lossbench.report.publish import publish_all  # matplotlib and scipy take a second to import
    from lossbench.report.spec import ComparisonSpec

    publish_all(records, ComparisonSpec(given.baseline, given.metric, given.margin), given.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "lossbench report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument(
        "--baseline", default="cross_entropy", help="a loss, or a loss with settings as the report names it"
    )
    parser.add_argument("--metric", help="what is compared; default: the test value of what the runs monitor")
    parser.add_argument(
        "--margin",
        type=float,
        help="differences below it do not matter; 0.01 is one point of accuracy, the default there",
    )
    parser.add_argument("--out", type=Path, help="folder of the report; default: <study>/reports/<data>-<model>-<hash>")
    return parser
