"""Estimate how labels become wrong, from a run that was trained on them.

lossbench estimate-noise RUN_DIR [--split val] [--quantile 0.97] [--out rates.csv]

The matrix is for loss=forward_correction loss.matrix=rates.csv: a row for each true class, a column for each label.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lossbench.cli.parser import Parser, as_path, require_new_file
from lossbench.data.changes.noise import transition_matrix
from lossbench.errors import UserError
from lossbench.escaping import in_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.finished import require_run

if TYPE_CHECKING:
    from lossbench.trained.loaded import LoadedRun


def main(words: Sequence[str] | None = None) -> None:
    """Write the matrix as rows of numbers, and print how many labels it takes for wrong."""
    parser = Parser("estimate-noise", __doc__)
    parser.add_argument("run_dir", type=as_path, metavar="RUN_DIR")
    parser.add_argument("--split", choices=("train", "val"), default="val", help="whose examples are looked at")
    parser.add_argument("--quantile", type=float, default=1.0, help="of the probabilities of a class; 1 is the largest")
    parser.add_argument("--out", type=as_path, default=Path("rates.csv"), help="a new .csv file, default rates.csv")
    given = parser.parse_args(words)
    if given.out.suffix != ".csv":
        raise UserError(f"--out {given.out}: the ending must be .csv")
    require_new_file("--out", given.out)
    require_run(RunDirectory(given.run_dir))

    import lossbench  # torch takes seconds to import

    run = lossbench.load(given.run_dir)
    rates = run.label_matrix(given.split, given.quantile)
    np.savetxt(given.out, rates, fmt="%.6g", delimiter=",")
    for name, row in zip(run.parts.source.class_names, rates, strict=True):
        print(in_line(f"  {name}: {_likeliest(row, run.parts.source.class_names)}"))
    print(f"{100 * (1 - np.diag(rates).mean()):.1f} % of the labels are wrong by this estimate, as a mean over classes")
    if (apart := _apart(run, rates)) is not None:
        print(f"the wrong labels of training are known: its entries are {100 * apart:.1f} points off them on average")
    print(f"{given.out}; train with it: loss=forward_correction loss.matrix={given.out}")


def _apart(run: "LoadedRun", rates: np.ndarray) -> float | None:
    """The mean absolute error of all entries; None where labels were not changed here, and so are not known."""
    train = run.parts.data.split("train")
    if train.true_targets is None:
        return None
    return float(np.abs(rates - transition_matrix(train, len(rates))).mean())


def _likeliest(row: np.ndarray, names: Sequence[str]) -> str:
    largest = np.argsort(-row, kind="stable")[:3]
    return ", ".join(f"{names[label]} {100 * row[label]:.1f} %" for label in largest)
