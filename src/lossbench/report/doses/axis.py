"""Numbers of the data that a sweep may vary, so that losses are compared at each of their values: doses. Torch-free."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossbench.errors import UserError
from lossbench.report.records import Record
from lossbench.report.settings import describe_settings, is_number, rounded

ALL = math.inf  # of images_per_class: null takes every example
SHOWN = 4  # digits
Way = tuple[Any, ...] | None
"""How the data of a run are changed; None of unchanged data."""


@dataclass(frozen=True)
class Axis:
    """A number of the data. The test examples are the same at every dose of it.

    Args:
        key: the setting.
        words: what it counts, after a number: "5 images per class".
        label: what it counts, on the axis of a picture.
        off: the dose of data in which nothing was changed.
        log: whether doses are compared by their ratios, else by their differences.
        how: settings that say how the data are changed, which unchanged data have none of.
    """

    key: str
    words: str
    label: str
    off: float
    log: bool
    how: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The setting, and those that say how the data are changed."""
        return (self.key, *self.how)

    def way(self, params: Mapping[str, Any]) -> Way:
        """How the data of a run are changed; None of unchanged data, which go with every way."""
        found = tuple(params.get(key) for key in self.how)
        return None if self.dose(params) == self.off and not any(each is not None for each in found) else found

    def way_said(self, way: Way, ways: Sequence[Way]) -> str:
        """A way to change the data by what tells it from the others: "noise=pairs"."""
        whole = [each or (None,) * len(self.how) for each in ways]
        differing = [k for k in range(len(self.how)) if len({str(each[k]) for each in whole}) > 1]
        return describe_settings({self.how[k]: None if way is None else way[k] for k in differing})

    @property
    def name(self) -> str:
        """The setting without its group."""
        return self.key.rpartition(".")[2]

    def dose(self, params: Mapping[str, Any]) -> float:
        """The dose of a run from its flat settings; null, or none, is the one of unchanged data."""
        value: Any = params.get(self.key)
        return rounded(value) if is_number(value) else self.off

    def said(self, dose: float) -> str:
        """A dose as it is typed: "5", "0.4", "all"."""
        return "all" if dose == ALL else f"{dose:.{SHOWN}g}"

    def at(self, dose: float) -> str:
        """A dose in a label: "images_per_class=5"."""
        return f"{self.name}={self.said(dose)}"

    def place(self, dose: float, runs: Iterable[Record]) -> float:
        """Where a dose stands on the axis: its number; of examples the mean number of a class in training.

        Args:
            dose: as `dose` gives it.
            runs: some that are done at this dose.

        Raises:
            UserError: how many examples there are in all was not recorded.
        """
        if self.off != ALL:
            return dose
        known = [found for run in runs if (found := _examples_of_a_class(run)) is not None]
        if known:
            return sum(known) / len(known)
        if dose != ALL:
            return dose
        raise UserError(
            f"{self.at(dose)}: result.json of these runs lacks train_counts, so that the number of their training "
            "examples is not known; run them again with force=true, or leave them out"
        )


AXES = (
    Axis("data.images_per_class", "images per class", "training examples of each class", off=ALL, log=True),
    Axis(
        "data.label_noise",
        "of the labels wrong",
        "share of wrong labels in training",
        off=0.0,
        log=False,
        how=tuple(f"data.noise{end}" for end in ("", "_validation", "_matrix", "_file", "_column", "_id")),
    ),
    Axis(
        "data.imbalance",
        "times more examples of the largest class",
        "training examples, largest class over smallest",
        off=1.0,
        log=True,
        how=("data.imbalance_kind", "data.imbalance_seed", "data.imbalance_max"),
    ),
)


def axis_of(records: Iterable[Record]) -> Axis | None:
    """The first axis on which done runs have several doses; None where there is none."""
    return axis_among([record.params for record in records if record.result is not None])


def axis_among(settings: Sequence[Mapping[str, Any]]) -> Axis | None:
    """The first axis on which some flat settings have several doses; None where there is none."""
    return next((axis for axis in AXES if len({axis.dose(each) for each in settings}) > 1), None)


def without_dose(settings: Mapping[str, Any], axis: Axis) -> dict[str, Any]:
    """Flat settings without the dose, how the data are changed, and the fingerprint that a dose may change."""
    return {key: value for key, value in settings.items() if key not in (*axis.keys, "fingerprint")}


def _examples_of_a_class(run: Record) -> float | None:
    """The mean number of training examples of a class; None where it was not recorded."""
    examples, classes = run.done_result.facts.get("train_counts", {}).get("examples"), len(run.done_result.classes)
    return examples / classes if examples and classes else None
