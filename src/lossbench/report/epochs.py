"""The last epoch of an arm's runs beside their best by validation, and how well they fitted right and wrong labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossbench.metrics.units import Unit, unit_of
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.stats.summary import Summary, summarise
from lossbench.report.tables import EMPTY, Table, in_unit, interval_cell, value_cell, words_cell
from lossbench.rundir.last_and_best import LastAndBest

NAME = "last_and_best"
FITTED = {
    "fitted_clean": "right labels fitted (%)",
    "fitted_flipped": "wrong labels fitted (%)",
    "recovered": "true class of wrong ones (%)",
}
"""Share of labels at the last epoch -> heading."""
NOTE = (
    "Mean over {units}s; the best epoch is that of the best {monitor}, chosen by no test example. The difference is "
    "turned so that + is better at the best epoch; below it its 95 % t interval over {units}s, not corrected. "
    "evaluate=last|best decides before a run which of them counts. "
)
NOTE_FITTED = (
    "Of the labels that were made wrong: the share that is predicted at the last epoch, as wrong as it is, and the "
    "share of which the true class is predicted."
)


@dataclass(frozen=True)
class Epochs:
    """What the runs of an arm scored at their last and at their best epoch.

    Args:
        metric: that chose the best epoch, without its split.
        best_epoch: mean, counted from 1.
        last: test score at the last epoch, stored unit.
        best: at the best one.
        gained: how much better the best one is.
        fitted: share of labels -> its mean at the last epoch.
    """

    metric: str
    best_epoch: float
    last: Summary
    best: Summary
    gained: Summary
    fitted: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def unit(self) -> Unit:
        """How the scores are shown."""
        return unit_of(self.metric)


def epochs_of(arm: Arm) -> Epochs | None:
    """Summarise the runs of an arm that were tested at both epochs; None where none was."""
    facts = [run.done_result.facts for run in arm.runs.values()]
    both = [found for found in map(LastAndBest.of, facts) if found is not None and found.gained is not None]
    if not both:
        return None
    return Epochs(
        metric=both[0].metric,
        best_epoch=float(np.mean([found.best.epoch + 1 for found in both])),
        last=_summary([found.last.test for found in both]),
        best=_summary([found.best.test for found in both]),
        gained=_summary([found.gained for found in both]),
        fitted=_fitted(facts),
    )


def epochs_by_label(comparison: Comparison) -> dict[str, Epochs]:
    """Label -> summary of an arm, where it has one."""
    found = {arm.label: epochs_of(arm) for arm in comparison.arms}
    return {label: epochs for label, epochs in found.items() if epochs is not None}


def _summary(values: list[Any]) -> Summary:
    return summarise(np.array(values, dtype=float))


def _fitted(facts: list[Mapping[str, Any]]) -> dict[str, float]:
    known = [found.get("memorisation", {}) for found in facts]
    shares = {name: [each[name] for each in known if name in each] for name in FITTED}
    return {name: float(np.mean(values)) for name, values in shares.items() if values}


def epochs_table(comparison: Comparison) -> Table | None:
    """Make the table, a row an arm; None where no run was tested at both epochs."""
    found = epochs_by_label(comparison)
    if not found:
        return None
    first = next(iter(found.values()))
    unit, metric = first.unit, first.metric
    measured = set[str]().union(*(epochs.fitted for epochs in found.values()))
    fitted = [name for name in FITTED if name in measured]
    last, best = (f"test/{metric} at the {name}{in_unit(unit.name)}" for name in ("last", "best"))
    columns = ["loss", "n", "best epoch", last, best, f"difference{in_unit(unit.difference)}"]
    return Table(
        name=NAME,
        title="The last epoch and the best by validation",
        columns=[*columns, *(FITTED[name] for name in fitted)],
        rows=[_row(label, epochs, fitted) for label, epochs in found.items()],
        numbers=[_numbers(label, epochs) for label, epochs in found.items()],
        note=NOTE.format(units=comparison.kind, monitor=f"val/{metric}") + (NOTE_FITTED if fitted else ""),
    )


def _row(label: str, epochs: Epochs, fitted: list[str]) -> list[str]:
    unit, gained = epochs.unit, epochs.gained
    interval = interval_cell(gained.low, gained.high, unit, signed=True)
    difference = f"{unit.factor * gained.mean:+z.{unit.digits}f}" + ("" if interval == EMPTY else f"\n{interval}")
    scores = [value_cell(summary.mean, unit) for summary in (epochs.last, epochs.best)]
    shares = [f"{100 * epochs.fitted[name]:.1f}" if name in epochs.fitted else EMPTY for name in fitted]
    return [words_cell(label), str(gained.n), f"{epochs.best_epoch:.1f}", *scores, difference, *shares]


def _numbers(label: str, epochs: Epochs) -> dict[str, Any]:
    numbers: dict[str, Any] = {"arm": label, "metric": f"test/{epochs.metric}", "n": epochs.gained.n}
    numbers |= {"best_epoch": epochs.best_epoch, "last": epochs.last.mean, "best": epochs.best.mean}
    numbers |= {f"difference_{name}": getattr(epochs.gained, name) for name in ("mean", "low", "high")}
    return numbers | {name: epochs.fitted.get(name) for name in FITTED}
