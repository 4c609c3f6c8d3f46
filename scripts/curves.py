"""Draw the histories of some runs: python scripts/curves.py RUN_DIR ... [--metrics train/loss val/nll] [--out curves.png]."""

import argparse
from pathlib import Path

from lossbench.errors import UserError, exit_on_user_error
from lossbench.rundir.directory import RunDirectory


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dirs", nargs="+", type=Path)
    parser.add_argument("--metrics", nargs="+", help="names as in metrics.csv")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="png, svg or pdf")
    given = parser.parse_args()
    if given.out.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--out {given.out}: the ending must be .png, .svg or .pdf")

    from lossbench.plots.curves import PANELS, draw_curves, save_figure

    save_figure(draw_curves([RunDirectory(path) for path in given.run_dirs], tuple(given.metrics or PANELS)), given.out)
    print(given.out)


if __name__ == "__main__":
    exit_on_user_error(main)
