"""Say where runs stand, also while a sweep is running: python scripts/status.py [DIR ...] [--most 20]."""

import argparse
import os
from pathlib import Path

from lossbench.errors import UserError, exit_on_user_error
from lossbench.report.records import find_runs
from lossbench.report.survey import survey


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("LOSSBENCH_RUNS") or "runs")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="DIR",
        help="run directories or folders of them; default: LOSSBENCH_RUNS or runs",
    )
    parser.add_argument("--most", type=int, default=20, help="runs listed of each state")
    given = parser.parse_args()
    if given.most < 0:
        raise UserError(f"--most must be >= 0, got {given.most}")
    print(survey(find_runs(given.folders or [default]), given.most))


if __name__ == "__main__":
    exit_on_user_error(main)
