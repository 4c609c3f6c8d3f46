"""The choice among the trials of one replicate, and the file that holds it. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from lossbench.rundir.kinds import NUMBER, SETTINGS, TEXT, WHOLE, Kind, by_name, list_of
from lossbench.tuning.budget import prefixes
from lossbench.tuning.files import check_all, edited, read_once_written, write_once
from lossbench.tuning.spaces import Space

Side = Literal["low", "high"]


@dataclass(frozen=True)
class Trial:
    """A trial and its outcome.

    Args:
        trial: its number, from 1.
        settings: key -> value of what is searched.
        score: validation value of what chooses; None where it diverged.
        nll: val/nll_scaled to five digits, which decides between equal scores; None where it is not measured.
        outcome: whether it trained to its end with finite outputs.
        run: <experiment>/replicate<r> in the study of the trials.
        steps: updates done.
        seconds: wall-clock time.
    """

    trial: int
    settings: Mapping[str, float]
    score: float | None
    nll: float | None
    outcome: Literal["done", "diverged"]
    run: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class RowWinners:
    """What was chosen for a loss in one replicate.

    Args:
        trials: all, by number.
        best_after: n -> number of the trial that is the best of the first n, for n = 1, 2, 4, ... and all.
        edges: key -> the end of the range at which the best of all trials lies; others are left out.
        refits: number of a trial in best_after -> folder of its refit's experiment in the study of the refits.
    """

    trials: tuple[Trial, ...]
    best_after: Mapping[int, int]
    edges: Mapping[str, Side]
    refits: Mapping[int, str]

    @property
    def winner(self) -> Trial:
        """The best of all trials."""
        return self.trials[self.best_after[len(self.trials)] - 1]

    def refit_after(self, n: int) -> str:
        """The folder of the refit of what was chosen after n trials."""
        return self.refits[self.best_after[n]]


@dataclass(frozen=True)
class Winners:
    """What was chosen in one replicate.

    Args:
        plan: hash of the plan.
        replicate: its number.
        rows: name of a row -> its trials and the choice among them.
    """

    plan: str
    replicate: int
    rows: Mapping[str, RowWinners]

    def write(self, path: Path) -> None:
        """Write winners/replicate<r>.json; one that is there stays as it is."""
        rows = {name: _to_json(row) for name, row in self.rows.items()}
        write_once(path, {"plan": self.plan, "replicate": self.replicate, "rows": rows})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file of `write`.

        Raises:
            DamagedError: it is damaged or edited.
        """
        found = read_once_written(path, KINDS)
        rows = {name: _row_of(path, row) for name, row in found["rows"].items()}
        if path.name != file_name(found["replicate"]):
            raise edited(path)
        return cls(found["plan"], found["replicate"], rows)


def file_name(replicate: int) -> str:
    """The name of the file in winners/ for a replicate."""
    return f"replicate{replicate}.json"


def best_after(
    scores: Sequence[float | None], nll: Sequence[float | None], *, higher_is_better: bool
) -> dict[int, int]:
    """Choose among the first n trials, n = 1, 2, 4, ... and all: the best score, ties by nll, then by number.

    Args:
        scores: (n,) of the trials in their order; None where one diverged, which is worse than any score.
        nll: (n,) for ties, less is better; None where it was not measured.
        higher_is_better: of the score.

    Returns:
        n -> number of the best of the first n trials; the first trial is 1.
    """
    sign = -1.0 if higher_is_better else 1.0
    ranks = [
        (math.inf if score is None else sign * score, math.inf if tie is None else tie)
        for score, tie in zip(scores, nll, strict=True)
    ]
    return {n: 1 + min(range(n), key=lambda k: ranks[k]) for n in prefixes(len(ranks))}


def edges_of(space: Space, settings: Mapping[str, float]) -> dict[str, Side]:
    """Find the settings that lie in the outer 5 % of their range, or outside of it: key -> which end."""
    found: dict[str, Side] = {}
    for each in space.dimensions:
        if (side := each.edge(settings[each.key], settings)) is not None:
            found[each.key] = side
    return found


def _to_json(row: RowWinners) -> dict[str, Any]:
    return {
        "trials": [{**vars(trial), "settings": {**trial.settings}} for trial in row.trials],
        "best_after": {str(n): number for n, number in row.best_after.items()},
        "edges": {**row.edges},
        "refits": {str(number): folder for number, folder in row.refits.items()},
    }


def _row_of(path: Path, found: Mapping[str, Any]) -> RowWinners:
    check_all(path, found, ROW_KINDS)
    for trial in found["trials"]:
        check_all(path, trial, TRIAL_KINDS)
    trials = tuple(Trial(**trial) for trial in found["trials"])
    after, refits = _by_number(path, found["best_after"]), _by_number(path, found["refits"])
    if (
        [*after] != prefixes(len(trials))
        or {*after.values()} != {*refits}
        or not {*refits} <= {t.trial for t in trials}
    ):
        raise edited(path)
    return RowWinners(trials, after, found["edges"], refits)


def _by_number(path: Path, found: Mapping[str, Any]) -> dict[int, Any]:
    if not all(name.isdecimal() for name in found):
        raise edited(path)
    return {int(name): value for name, value in sorted(found.items(), key=lambda item: int(item[0]))}


KINDS: Mapping[str, Kind] = {"plan": TEXT, "replicate": WHOLE, "rows": by_name(SETTINGS, "losses by name")}
ROW_KINDS: Mapping[str, Kind] = {
    "trials": list_of(SETTINGS, "a list of trials"),
    "best_after": by_name(WHOLE, "trials by number"),
    "edges": by_name(TEXT, "ends of ranges by setting"),
    "refits": by_name(TEXT, "folders by trial"),
}
TRIAL_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("trial", "steps"), WHOLE),
    "settings": by_name(NUMBER, "numbers by setting"),
    **dict.fromkeys(("score", "nll"), NUMBER.or_null()),
    **dict.fromkeys(("outcome", "run"), TEXT),
    "seconds": NUMBER,
}
