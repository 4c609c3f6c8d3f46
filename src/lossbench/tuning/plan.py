"""The plan of a fair fight: what is asked, of which losses, with which budget. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lossbench.errors import one_line
from lossbench.rundir.identity import RESULT_VERSION
from lossbench.rundir.kinds import NUMBER, SETTINGS, TEXT, WHOLE, Kind, list_of
from lossbench.rundir.reading import DamagedError
from lossbench.tuning.files import WAY_OUT, check_all, edited, hash_of, read_once_written, write_once
from lossbench.tuning.spaces import Space

RULE = 1
"""Version of the rule that chooses: the best mean validation score, ties by nll_scaled, then by the trial's number."""
TWIN = "twin"
"""The scramble of the baseline's twin."""


@dataclass(frozen=True)
class Row:
    """A loss of a fair fight.

    Args:
        name: as tables name it: the loss, and what tells it from other rows of this loss.
        loss: name of the loss.
        overrides: what one types for it, such as ("loss=focal", "loss.gamma=2").
        space: what is searched.
        default: key -> value of what is searched, as it is without a search: the first trial.
        scramble: names the points; "" is what all rows share, the twin has its own.
        digest: hash of what makes it another arm than its peers; neither space nor budget is in it.
    """

    name: str
    loss: str
    overrides: tuple[str, ...]
    space: Space
    default: Mapping[str, float]
    scramble: str
    digest: str

    @property
    def is_twin(self) -> bool:
        """Whether it is the baseline once more, with points of its own."""
        return self.scramble == TWIN

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        own = {"overrides": [*self.overrides], "space": self.space.to_json(), "default": {**self.default}}
        return {**vars(self), **own}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        space = Space.of_json(found["space"])
        return cls(**{**found, "overrides": tuple(found["overrides"]), "space": space})


@dataclass(frozen=True)
class Plan:
    """What a fair fight asks; its hash is the hash of the question: more replicates and a parent change it not.

    Args:
        rows: losses in the order of the command, the baseline's twin last.
        baseline: name of the row that the others are compared with.
        metric: what is compared, e.g. test/accuracy.
        monitor: what chooses among trials, e.g. val/accuracy.
        margin: differences below it do not matter, in the stored unit; None where none is stated or customary.
        trials: of each row in each replicate.
        steps: updates of each trial and of each refit.
        shared: key -> value of what all runs have in common and what decides their numbers.
        data: name of the data set.
        model: name of the model.
        replicates: those of the command that made the plan; more may have been added since.
        parent: hash of the plan that this one continues with another question; None where it is the first.
        budget: minutes that trials and replicates were chosen for; None where they were typed.
    """

    rows: tuple[Row, ...]
    baseline: str
    metric: str
    monitor: str
    margin: float | None
    trials: int
    steps: int
    shared: Mapping[str, Any]
    data: str
    model: str
    replicates: tuple[int, ...]
    parent: str | None = None
    rule: int = RULE
    result_version: int = RESULT_VERSION
    budget: float | None = None

    @property
    def question(self) -> dict[str, Any]:
        """What the hash is of, in plain values."""
        kept = {name: value for name, value in self.to_json().items() if name not in NO_QUESTION}
        kept["rows"] = {row.name: _question_of(row) for row in self.rows}
        return kept

    @property
    def hash(self) -> str:
        """The hash of the question: 64 hexadecimal digits."""
        return hash_of(self.question)

    @property
    def folder(self) -> str:
        """The name of its folder in plans/."""
        return f"{self.data}-{self.model}-{self.hash[:8]}"

    def row(self, name: str) -> Row:
        """The row of a name."""
        return next(row for row in self.rows if row.name == name)

    def to_json(self) -> dict[str, Any]:
        """Give what plan.json holds, in plain values, without its hash."""
        own = {**vars(self), "shared": {**self.shared}, "replicates": [*self.replicates]}
        return own | {"rows": [row.to_json() for row in self.rows]}

    def write(self, path: Path) -> None:
        """Write plan.json; one that is there stays as it is."""
        write_once(path, {"hash": self.hash, **self.to_json()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan.json.

        Raises:
            DamagedError: it is damaged or edited.
        """
        found = read_once_written(path, KINDS)
        for row in found["rows"]:
            check_all(path, row, ROW_KINDS)
        stated = found.pop("hash")
        try:
            rows = tuple(Row.of_json(row) for row in found.pop("rows"))
            plan = cls(**{**found, "rows": rows, "replicates": tuple(found["replicates"])})
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(path, f"is damaged ({one_line(error)})", WAY_OUT) from error
        if plan.hash != stated or path.parent.name != plan.folder or plan.baseline not in {row.name for row in rows}:
            raise edited(path)
        return plan


NO_QUESTION = ("replicates", "parent", "budget", "rows")


def _question_of(row: Row) -> dict[str, Any]:
    """What the question holds of a row: not how it was typed, nor where its ranges come from."""
    space = [_without_source(each.to_json()) for each in row.space.dimensions]
    return {"digest": row.digest, "space": space, "default": {**row.default}, "scramble": row.scramble}


def _without_source(dimension: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dimension.items() if key != "source"}


ROW_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("name", "loss", "scramble", "digest"), TEXT),
    "overrides": list_of(TEXT, "a list of texts"),
    **dict.fromkeys(("space", "default"), SETTINGS),
}
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("hash", "baseline", "metric", "monitor", "data", "model"), TEXT),
    "rows": list_of(SETTINGS, "a list of losses"),
    **dict.fromkeys(("margin", "budget"), NUMBER.or_null()),
    **dict.fromkeys(("trials", "steps", "rule", "result_version"), WHOLE),
    "shared": SETTINGS,
    "replicates": list_of(WHOLE, "whole numbers"),
    "parent": TEXT.or_null(),
}
