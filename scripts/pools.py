"""Does a verdict hold on other examples of the same kind? Cut images into pools and compare what each pool says.

python scripts/pools.py cut FOLDER OUT [--pools 6] [--seed 0]    disjoint pools OUT/0, OUT/1, ...
python scripts/pools.py agree VERDICT.csv VERDICT.csv ...        one verdict.csv a pool, of the same losses

FOLDER holds class folders, at any depth (train/cat and test/cat are one class); each pool gets the same share of each.
`agree` counts decided verdicts that are contradicted, or not found, on another pool, and intervals of one pool that
hold the mean difference of the others.
"""

import argparse
import csv
import math
import shutil
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from lossbench.data.images.subset import SUFFIXES, ranked
from lossbench.errors import UserError, exit_on_user_error

DECIDED = ("better", "worse")


class Found(NamedTuple):
    """What one pool says of one loss: the word, the mean difference and the ends of its interval."""

    verdict: str
    mean: float
    low: float
    high: float


def main() -> None:
    """Parse and do one of the two."""
    given = _parser().parse_args()
    if given.command == "cut":
        cut(given.folder, given.out, given.pools, given.seed)
    else:
        print("\n".join(agreement([read_verdicts(path) for path in given.verdicts])))


def cut(folder: Path, out: Path, pools: int, seed: int) -> None:
    """Copy the images of a folder into disjoint pools, each with the same share of every class.

    Args:
        folder: holds class folders, at any depth.
        out: must not exist yet.
        pools: how many.
        seed: decides which image goes where.

    Raises:
        UserError: there is no image, or out exists.
    """
    if out.exists():
        raise UserError(f"{out} exists; name a new folder for the pools")
    classes: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            classes.setdefault(path.parent.name, []).append(path)
    if not classes:
        raise UserError(f"{folder} holds no images; name a folder of class folders")
    for label, paths in tqdm(classes.items(), "copying", unit="class", disable=None):
        of_name = {str(path.relative_to(folder)): path for path in paths}
        for place, name in enumerate(ranked(of_name, seed)):
            target = out / str(place % pools) / label / name.replace("/", "-")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(of_name[name], target)


def read_verdicts(path: Path) -> dict[str, Found]:
    """Read loss -> what was found from a report's verdict.csv; the baseline is left out."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("difference_verdict")]
    if not rows:
        raise UserError(f"{path} compares nothing; name the verdict.csv of a report with a baseline")
    numbers = ("difference_mean", "difference_low", "difference_high")
    return {row["arm"]: Found(row["difference_verdict"], *(float(row[name]) for name in numbers)) for row in rows}


def agreement(pools: Sequence[dict[str, Found]]) -> list[str]:
    """Count contradicted and vanished verdicts over ordered pairs of pools, and intervals that hold the others' mean.

    Args:
        pools: what each pool says of each loss, at least two pools.

    Returns:
        Lines for the terminal.

    Raises:
        UserError: there is one pool, or they compare different losses.
    """
    if len(pools) < 2 or len({frozenset(found) for found in pools}) > 1:
        raise UserError("name the verdict.csv of two pools or more, all of the same losses")
    decided = contradicted = vanished = covered = 0
    widths: list[float] = []
    for label in pools[0]:
        found = [pool[label] for pool in pools]
        for ours, theirs in permutations(found, 2):
            decided += ours.verdict in DECIDED
            contradicted += {ours.verdict, theirs.verdict} == {*DECIDED}
            vanished += ours.verdict in DECIDED and theirs.verdict != ours.verdict
        for one in found:
            others = math.fsum(other.mean for other in found if other is not one) / (len(found) - 1)
            covered += one.low <= others <= one.high
            widths.append((one.high - one.low) / 2)
    intervals = len(widths)
    return [
        f"{len(pools)} pools, {len(pools[0])} losses compared with the baseline",
        f"decided on one pool and contradicted on another: {share(contradicted, decided)}",
        f"decided on one pool and not found on another: {share(vanished, decided)}",
        f"intervals that hold the mean difference of the other pools: {share(covered, intervals)}",
        f"mean half-width of an interval: {100 * math.fsum(widths) / intervals:.2f} points",
    ]


def share(count: int, total: int) -> str:
    """Word a share: percent, with the counts."""
    return f"{count / total:.1%} ({count} of {total})" if total else "none was decided"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    cutting = commands.add_parser("cut", help="cut a folder of images into disjoint pools")
    cutting.add_argument("folder", type=Path)
    cutting.add_argument("out", type=Path)
    cutting.add_argument("--pools", type=int, default=6)
    cutting.add_argument("--seed", type=int, default=0)
    agreeing = commands.add_parser("agree", help="compare the verdicts of pools")
    agreeing.add_argument("verdicts", nargs="+", type=Path, metavar="VERDICT.csv")
    return parser


if __name__ == "__main__":
    exit_on_user_error(main)
