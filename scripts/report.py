"""Say which loss is better, and write a report: python scripts/report.py DIR ... [--baseline LOSS] [--metric test/nll] [--margin 0.01].

DIR is a run directory or any folder of them, e.g. runs/default. Runs that cannot be compared with each other are refused.
"""

import argparse
from pathlib import Path

from lossbench.errors import UserError, exit_on_user_error


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    given = parser.parse_args()

    from lossbench.report.records import find_runs, read_record, require_comparable

    records = [read_record(path) for path in find_runs(given.folders)]
    if not any(record.result for record in records):
        states = ", ".join(sorted({record.state for record in records}))
        raise UserError(
            f"none of the {len(records)} runs in {', '.join(map(str, given.folders))} is done ({states}); run them first"
        )

    require_comparable([record for record in records if record.result is not None])

    from lossbench.report.comparison import Question  # matplotlib and scipy take a second to import
    from lossbench.report.publish import publish_all

    publish_all(records, Question(given.baseline, given.metric, given.margin), given.out)


if __name__ == "__main__":
    exit_on_user_error(main)
