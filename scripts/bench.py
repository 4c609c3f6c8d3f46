"""Measure what lossbench promises to be fast.

python scripts/bench.py NAME [--data PATH] [--json FILE]

Every figure compares ours with a reference measured alternately in the same process, because machines are noisy.
ratio is how many times cheaper or faster ours is: reference / ours of a cost, ours / reference of a throughput;
more is better.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path

from lossbench.errors import exit_on_user_error

NAMES = ("input", "losses", "overhead", "processes", "read", "step", "sweep", "tiny", "train", "tuned")
"""Of figures, each a file in benchmarks/."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--data", type=Path, help="input: a folder of class folders with images")
    parser.add_argument("--tiny", action="store_true", help="the same code, small; its figures mean nothing")
    parser.add_argument("--json", type=Path, help="also write {figure: {ours, reference, ratio}} to this file")
    given = parser.parse_args()
    if given.json and not given.json.absolute().parent.is_dir():
        parser.error(f"--json {given.json}: there is no such folder")
    figures = import_module(f"benchmarks.{given.name}").figures(given)
    print(f"{'figure':24}{'unit':>9}{'ours':>12}{'reference':>12}{'ratio':>10}{'quartiles':>20}{'n':>5}")
    for f in figures:
        quartiles = f"{f.quartiles[0]:.2f} .. {f.quartiles[1]:.2f}"
        print(f"{f.name:24}{f.unit:>9}{f.ours:12.4g}{f.reference:12.4g}{f.ratio:10.2f}{quartiles:>20}{f.n:5}")
    if given.json:
        values = {f.name: {"ours": f.ours, "reference": f.reference, "ratio": f.ratio} for f in figures}
        given.json.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    exit_on_user_error(main)
