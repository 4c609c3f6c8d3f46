"""Draw the histories of some runs: lossbench curves RUN_DIR ... [--metrics train/loss val/nll] [--out curves.png]."""

from collections.abc import Sequence
from pathlib import Path

from lossbench.cli.parser import Parser, as_path, as_text
from lossbench.errors import UserError
from lossbench.report.run_curves import read_run_curves
from lossbench.rundir.directory import RunDirectory

ENDINGS = (".png", ".svg", ".pdf")


def main(words: Sequence[str] | None = None) -> None:
    """Draw metrics.csv of some runs, one panel a metric."""
    parser = Parser("curves", __doc__)
    parser.add_argument("run_dirs", nargs="+", type=as_path, metavar="RUN_DIR")
    parser.add_argument("--metrics", nargs="+", type=as_text, help="names as in metrics.csv")
    parser.add_argument("--out", type=as_path, default=Path("curves.png"), help="png, svg or pdf")
    given = parser.parse_args(words)
    if given.out.suffix not in ENDINGS:
        raise UserError(f"--out {given.out}: the ending must be .png, .svg or .pdf")

    curves = read_run_curves(RunDirectory(path) for path in given.run_dirs)

    from lossbench.plots.curves import PANELS, draw_curves, save_figure  # matplotlib takes a second to import

    save_figure(draw_curves(curves.of_run, given.metrics or PANELS), given.out)
    for line in curves.left_out:
        print(f"left out: {line}")
    print(given.out)
