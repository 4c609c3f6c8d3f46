"""The reality check: losses on real data, each with the same budget (docs/reality_check.md).

python scripts/reality.py run [NAME ...]        what is missing of each experiment, one after another
python scripts/reality.py collect [NAME ...]    verdicts and tested runs of each, from runs/ into docs/reality/
python scripts/reality.py show                  figures and tables of the page, from docs/reality/ alone
"""

import argparse
import csv
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reality_page import write_page
from reality_records import collect
from reality_studies import EXPERIMENTS, TABLES

ROOT = Path(__file__).resolve().parents[1]


def main(words: Sequence[str] | None = None) -> int:
    """Run, collect or show; the exit code is that of the first experiment that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "collect", "show"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(EXPERIMENTS)}")
    given = parser.parse_args(words)
    if unknown := [name for name in given.names if name not in EXPERIMENTS]:
        parser.error(f"{unknown[0]} is none of {', '.join(EXPERIMENTS)}")
    names = given.names or list(EXPERIMENTS)
    if given.what == "run":
        return run_all(names)
    if given.what == "collect":
        for name in names:
            collect(name, runs_folder(), ROOT / "docs" / "reality", seconds_of(name))
    write_page(ROOT / "docs")
    return 0


def run_all(names: Sequence[str]) -> int:
    """Run experiments one after another; each does what is missing."""
    write_tables(data_folder() / "tables")
    codes = [run_one(name) for name in names]
    return next((code for code in codes if code), 0)


def run_one(name: str) -> int:
    """Run what is missing of one experiment, and add its seconds to those of earlier calls."""
    words = EXPERIMENTS[name]
    print(f"\n{name}: python train.py {' '.join(words)}", flush=True)
    start = time.monotonic()
    code = subprocess.run([sys.executable, "train.py", *words], cwd=ROOT, check=False).returncode
    path = runs_folder() / f"reality_{name}.seconds"
    path.write_text(f"{seconds_of(name) + time.monotonic() - start:.0f}\n")
    return code


def seconds_of(name: str) -> float:
    """Seconds that an experiment has taken in all calls; 0 where it was never run."""
    path = runs_folder() / f"reality_{name}.seconds"
    return float(path.read_text()) if path.exists() else 0.0


def runs_folder() -> Path:
    """Where runs live."""
    return Path(os.environ.get("LOSSBENCH_RUNS", ROOT / "runs"))


def data_folder() -> Path:
    """Where the data are."""
    return Path(os.environ.get("LOSSBENCH_DATA", ROOT / "data"))


def write_tables(folder: Path) -> None:
    """Write scikit-learn's tables as CSV files, where they are not there yet."""
    from sklearn import datasets

    folder.mkdir(parents=True, exist_ok=True)
    for name, target in TABLES.items():
        path = folder / f"{name}.csv"
        if path.exists():
            continue
        found = getattr(datasets, f"load_{name}")()
        columns = [re.sub(r"\W+", "_", column).strip("_") for column in found.feature_names]
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*columns, target])
            for row, label in zip(found.data, found.target, strict=True):
                writer.writerow([*map(float, row), found.target_names[label]])


if __name__ == "__main__":
    sys.exit(main())
