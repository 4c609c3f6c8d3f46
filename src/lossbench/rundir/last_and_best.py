"""The last epoch of a run beside its best by validation, and how well it fitted its labels, from its history."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

from lossbench.config.plain import is_mapping
from lossbench.metrics.units import Unit, unit_of
from lossbench.rundir.kinds import NUMBER, TEXT, WHOLE, Kind


class Row(NamedTuple):
    """A line of metrics.csv.

    Args:
        step: updates done.
        epoch: counts from 0.
        value: of a metric.
    """

    step: int
    epoch: int
    value: float


class Scored(NamedTuple):
    """An epoch and its scores.

    Args:
        step: updates done.
        epoch: counts from 0.
        val: the monitored metric on the validation split.
        test: on the test split; None where it was not tested.
    """

    step: int
    epoch: int
    val: float
    test: float | None = None


class LastAndBest(NamedTuple):
    """The last epoch of a run, and the best one by validation.

    Args:
        metric: that chose it, without its split.
        last: epoch.
        best: epoch, the first of equally good ones.
    """

    metric: str
    last: Scored
    best: Scored

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self | None:
        """Take them from the facts of a result; None where they are not there."""
        found = facts.get(NAME)
        return None if found is None else cls(found["metric"], Scored(**found["last"]), Scored(**found["best"]))

    @property
    def gained(self) -> float | None:
        """How much better the test score at the best epoch is, stored unit; None where it was not tested."""
        if self.last.test is None or self.best.test is None:
            return None
        difference = self.best.test - self.last.test
        return difference if unit_of(self.metric).higher_is_better else -difference


def _is_scored(value: Any) -> bool:
    kinds = {"step": WHOLE, "epoch": WHOLE, "val": NUMBER}
    if not is_mapping(value) or not {*kinds} <= {*value} <= {*kinds, "test"}:
        return False
    return all({**kinds, "test": NUMBER}[name].is_right(each) for name, each in value.items())


def _is_last_and_best(value: Any) -> bool:
    if not is_mapping(value) or not TEXT.is_right(value.get("metric")):
        return False
    return all(_is_scored(value.get(name)) for name in ("last", "best"))


NAME = "last_and_best"
KIND = Kind(_is_last_and_best, "a metric and its scores at the last and at the best epoch")
FITTED = "train/fitted_clean", "train/fitted_flipped", "train/recovered"
"""How well labels are fitted where some were made wrong (docs/wrong_labels.md)."""

SAID = {
    "fitted_clean": "{} of the right ones fitted",
    "fitted_flipped": "{} of the wrong ones memorised",
    "recovered": "the true class predicted of {} of the wrong ones",
}


def of_history(history: str, monitor: str, tested: Mapping[str, float | None]) -> dict[str, Any]:
    """Give what result.json holds of a run's history.

    Args:
        history: the lines of metrics.csv.
        monitor: such as val/accuracy.
        tested: "last" and "best" -> the monitored metric on the test split with the weights of that epoch; None where
            it was not tested.

    Returns:
        last_and_best, where something was validated; and memorisation, where labels were made wrong.
    """
    return of_rows({name: _rows(history, name) for name in (monitor, *FITTED)}, monitor, tested)


def of_rows(rows: Mapping[str, Sequence[Row]], monitor: str, tested: Mapping[str, float | None]) -> dict[str, Any]:
    """Give the same of the values of the monitored metric and of `FITTED`, in order; names without values may lack."""
    found = _last_and_best(rows.get(monitor, ()), monitor, tested)
    fitted = {name.removeprefix("train/"): rows[name][-1].value for name in FITTED if rows.get(name)}
    finite = {name: value for name, value in fitted.items() if math.isfinite(value)}
    return ({NAME: found} if found else {}) | ({"memorisation": finite} if finite else {})


def _last_and_best(validated: Sequence[Row], monitor: str, tested: Mapping[str, float | None]) -> dict[str, Any]:
    rows = [row for row in validated if math.isfinite(row.value)]
    if not rows:
        return {}
    sign = 1 if unit_of(monitor).higher_is_better else -1
    chosen = {"last": rows[-1], "best": max(rows, key=lambda row: sign * row.value)}  # of equal ones the first
    found: dict[str, Any] = {"metric": monitor.removeprefix("val/")}
    for name, row in chosen.items():
        found[name] = {"step": row.step, "epoch": row.epoch, "val": row.value}
        if (test := tested.get(name)) is not None and math.isfinite(test):
            found[name]["test"] = test
    return found


def _rows(history: str, name: str) -> list[Row]:
    """The values of one name, in order."""
    cells = [line.split(",") for line in history.splitlines() if f",{name}," in line]
    return [Row(int(step), int(epoch), float(value)) for step, epoch, _, value in cells]


def words(facts: Mapping[str, Any]) -> Iterator[str]:
    """Say how far apart both epochs are, and how well right and wrong labels were fitted: a line each."""
    if (found := LastAndBest.of(facts)) is not None:
        yield _epochs(found)
    if fitted := facts.get("memorisation"):
        shares = (said.format(f"{100 * fitted[name]:.1f} %") for name, said in SAID.items() if name in fitted)
        yield f"labels at the last epoch: {', '.join(shares)}"


def _epochs(found: LastAndBest) -> str:
    unit, last = unit_of(found.metric), found.last
    best_of = f"by val/{found.metric}"
    if found.best.step == last.step:
        return f"the last epoch, {last.epoch + 1}, is the best {best_of}: {_scores(last, unit)}"
    apart = ""
    if (gained := found.gained) is not None:
        difference = f"{unit.factor * abs(gained):.{unit.digits}f} {unit.difference}".rstrip()
        apart = f"; {difference} {'better' if gained >= 0 else 'worse'} on test"
    best = f"best epoch {best_of} {found.best.epoch + 1}: {_scores(found.best, unit)}{apart}"
    return f"last epoch {last.epoch + 1}: {_scores(last, unit)}; {best}"


def _scores(scored: Scored, unit: Unit) -> str:
    values = {"val": scored.val, "test": scored.test}
    return ", ".join(
        f"{name} {unit.factor * value:.{unit.digits}f} {unit.name}".rstrip()
        for name, value in values.items()
        if value is not None
    )
