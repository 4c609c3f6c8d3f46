"""Cut a tuned study with many replicates into disjoint studies, and count what each says of the baseline's twin.

python scripts/twin_studies.py runs/S.tuned [replicates in each]
"""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from lossbench.report.tuned.comparison import find_fair_fight
from lossbench.tuning.study import Tuned, read_tuned
from lossbench.tuning.winners import Winners


def cut(tuned: Tuned, size: int, folder: Path) -> Iterator[Tuned]:
    """Give studies of so many replicates each; what is left over is in none.

    Args:
        tuned: a study whose winners are all there.
        size: replicates in each.
        folder: an empty one on the same file system; each study has a journal of its own in it, and its runs.
    """
    whole = [*tuned.winners]
    for k in range(len(whole) // size):
        replicates = tuple(whole[k * size : (k + 1) * size])
        winners = {r: tuned.winners[r] for r in replicates}
        study = folder / f"{k}.tuned"
        study.mkdir()
        for run in _refits(winners.values()):
            copytree(tuned.study / run, study / run, copy_function=os.link)
        plan = replace(tuned.plan, replicates=replicates)
        yield Tuned(study / "plans" / tuned.folder.name, plan, winners)


def _refits(found: Iterable[Winners]) -> set[str]:
    """Where the refits of some replicates lie in their study."""
    places: set[str] = set()
    for winners in found:
        for row in winners.rows.values():
            places |= {f"{folder}/replicate{winners.replicate}" for folder in row.refits.values()}
    return places


def word(tuned: Tuned) -> str:
    """What a study says of the twin, slight differences included."""
    control = find_fair_fight(tuned).control
    assert control is not None
    return f"{control.verdict}, {control.qualifier}" if control.qualifier else control.verdict


def count_words(tuned: Tuned, size: int) -> Counter[str]:
    """Word about the twin -> number of studies."""
    with TemporaryDirectory(dir=tuned.study.parent) as folder:
        return Counter(word(study) for study in cut(tuned, size, Path(folder)))


def main() -> None:
    """Print how many studies say what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("size", type=int, nargs="?", default=8)
    chosen = parser.parse_args()
    for tuned in read_tuned(chosen.study):
        counts = count_words(tuned, chosen.size)
        said = ", ".join(f"{words} {count}" for words, count in counts.most_common())
        print(f"{counts.total()} studies of {chosen.size} replicates: {said}")


if __name__ == "__main__":
    main()
