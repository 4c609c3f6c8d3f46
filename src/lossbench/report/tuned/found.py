"""The tuned studies in some folders, which have reports of their own, and the plain runs beside them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lossbench.report.comparable import read_done
from lossbench.report.records import RUN_FILES, Record
from lossbench.tuning.study import TUNED, Tuned, read_tuned, trials_of


class Found(NamedTuple):
    """The plans of tuned studies, and the runs of all other studies."""

    tuned: Sequence[Tuned]
    records: Sequence[Record]


def find_all(folders: Sequence[Path]) -> Found:
    """Read the tuned studies and the plain runs in some folders, at any depth.

    A folder inside a tuned study stands for the study, that of a plan for the plan; S for S.tuned where there is no S.

    Raises:
        UserError: there is neither, or the plain runs cannot be compared with each other.
    """
    studies: dict[Path, None] = {}
    plain: list[Path] = []
    for folder in folders:
        around = _study_around(folder)
        studies |= dict.fromkeys([around] if around else _studies_below(folder))
        plain += [] if around else [folder]
    left_out = {*studies, *map(trials_of, studies)}
    tuned = [each for study in studies for each in _asked_for(read_tuned(study), folders)]
    return Found(tuned, read_done(plain, left_out) if plain else [])


def _asked_for(tuned: Sequence[Tuned], folders: Sequence[Path]) -> Sequence[Tuned]:
    """The plans of a study that were named by their folders; all where none was."""
    named = {folder.resolve() for folder in folders}
    return [each for each in tuned if each.folder.resolve() in named] or tuned


def _study_around(folder: Path) -> Path | None:
    """The tuned study that a folder is, or lies in."""
    if not folder.exists():
        folder = folder.with_name(f"{folder.name}{TUNED}")
    path = folder.resolve()
    return next((each for each in (path, *path.parents) if _is_tuned(each)), None)


def _studies_below(folder: Path) -> Iterator[Path]:
    """The tuned studies below a folder; a link that leads to one is followed once."""
    for place, names, files in os.walk(folder):
        if not RUN_FILES.isdisjoint(files):
            names.clear()
            continue
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in [name for name in names if _is_tuned(Path(place, name))]:
            names.remove(name)
            yield Path(place, name).resolve()


def _is_tuned(folder: Path) -> bool:
    return folder.name.endswith(TUNED) and any(folder.glob("plans/*/plan.json"))
