"""The table of the metrics beside the compared one: who wins at what, corrected over losses and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from lossbench.errors import some
from lossbench.metrics.registry import METRICS
from lossbench.metrics.units import unit_of
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.formatting import MARKS, format_difference
from lossbench.report.outcomes import Outcomes, find_outcomes_of
from lossbench.report.pairing import test_per_train
from lossbench.report.stats.differences import Differences
from lossbench.report.stats.verdict import PairedComparison, judge
from lossbench.report.tables import Table, in_unit, value_cell, words_cell
from lossbench.report.verdicts import without

OF_CLASSIFIERS = ("accuracy", "balanced_accuracy", "nll_scaled", "ece_scaled", "worst_class")
OF_UNEVEN = ("head_accuracy", "middle_accuracy", "tail_accuracy")
NAME = "other_metrics"
MOST_METRICS = 5
MOST_ARMS = 20  # the best ones; the others are corrected for all the same
WORST = " worst_class is the accuracy of each run's own worst class."
FIELDS = ("n", "mean", "low", "high", "p", "p_adjusted", "look", "verdict")


@dataclass(frozen=True)
class InMetric:
    """What the arms of a comparison score in another metric than the compared one.

    Args:
        name: of the metric, with its split.
        outcomes: of all arms.
        pairs: label -> comparison with the baseline, judged together with those in the other metrics; {} where nothing
            is judged.
    """

    name: str
    outcomes: Outcomes
    pairs: Mapping[str, PairedComparison]


def metric_table(comparison: Comparison) -> Table | None:
    """Make the table, a row an arm and a column a metric; None where the runs have no other metric."""
    arms = comparison.arms[:MOST_ARMS]
    names = other_metrics(comparison)
    if not names:
        return None
    found = judge_metrics(comparison, names, arms)
    rows = [[words_cell(arm.label), *(_cell(arm, each) for each in found)] for arm in arms]
    numbers = [_numbers(arm, each) for each in found for arm in arms]
    note = _note(found, comparison)
    return Table(NAME, "Other metrics: who wins at what", ["loss", *map(_heading, names)], rows, numbers, note=note)


def other_metrics(comparison: Comparison) -> list[str]:
    """The metrics of the table, which every run has; not the compared one."""
    measured = _measured_by_all(comparison)
    of_classifiers, every, of_uneven = (
        [f"{comparison.split}/{name}" for name in names] for names in (OF_CLASSIFIERS, METRICS, OF_UNEVEN)
    )
    chosen = of_classifiers if measured & {*of_classifiers[1:]} else every  # accuracy is measured of labels too
    others = measured - {comparison.metric}
    found = [name for name in chosen if name in others][:MOST_METRICS]
    return [*found, *(name for name in of_uneven if name in others.difference(found))]


def _measured_by_all(comparison: Comparison) -> set[str]:
    """The metrics that every run has a number of."""
    known = [{name for name, value in run.metrics.items() if value is not None} for run in comparison.runs]
    return set[str].intersection(*known)


def judge_metrics(comparison: Comparison, names: Sequence[str], arms: Sequence[Arm]) -> list[InMetric]:
    """Judge arms in several metrics as one family of all planned comparisons, at the look of the compared metric."""
    directions = {name: unit_of(name).higher_is_better for name in names}
    outcomes = find_outcomes_of(arms, directions, comparison.design)
    pairs = _pairs(comparison, outcomes, [arm for arm in arms if arm.label in comparison.paired])
    return [InMetric(name, outcomes[name], pairs.get(name, {})) for name in names]


def _pairs(
    comparison: Comparison, outcomes: Mapping[str, Outcomes], arms: Sequence[Arm]
) -> dict[str, dict[str, PairedComparison]]:
    """Metric -> label -> comparison; {} where nothing is judged."""
    baseline = comparison.baseline
    if baseline is None or not baseline.runs or comparison.provisional or not arms:
        return {}
    differences: dict[str, Differences] = {}
    looks: dict[str, int] = {}
    for name, arm in product(outcomes, arms):
        key = f"{name} {arm.label}"
        differences[key] = outcomes[name].differences(arm, baseline, _sign(name))
        looks[key] = comparison.paired[arm.label].look
    judged = judge(
        differences,
        None,
        design=comparison.design,
        look=looks,
        family=len(outcomes) * comparison.family,
        test_per_train=test_per_train(comparison, differences.values()),
    )
    found: dict[str, dict[str, PairedComparison]] = {name: {} for name in outcomes}
    for name, arm in product(outcomes, arms):
        found[name][arm.label] = without(judged[f"{name} {arm.label}"], comparison.barred.get(arm.label, ()))
    return found


def _sign(name: str) -> int:
    return 1 if unit_of(name).higher_is_better else -1


def _heading(name: str) -> str:
    unit = unit_of(name)
    return f"{_short(name)}{in_unit(unit.name)}\n{'higher' if unit.higher_is_better else 'lower'} is better"


def _short(name: str) -> str:
    """A metric without its split."""
    return name.partition("/")[2]


def _cell(arm: Arm, found: InMetric) -> str:
    """The mean score; below it the mark of the verdict and the difference."""
    unit, pair = unit_of(found.name), found.pairs.get(arm.label)
    mean = value_cell(float(np.mean([*found.outcomes.scores[arm.digest].values()])), unit)
    if pair is None:
        return mean
    return f"{mean}\n{MARKS[pair.verdict]} {format_difference(pair.mean, unit, signed=True, with_unit=False)}"


def _note(found: Sequence[InMetric], comparison: Comparison) -> str:
    """Who is better or worse at what, and what that is corrected for."""
    baseline = comparison.baseline
    if baseline is None or not any(each.pairs for each in found):
        return "Means; nothing is tested."
    decided = [f"{words} than {baseline.label} at {_short(each.name)}" for each in found for words in _sides(each)]
    wins = "; ".join(decided) or f"Nothing is shown to differ from {baseline.label} in them"
    n = len(found) * comparison.family
    return (
        f"{wins}. Differences are turned so that + is better; ▲ is better, ▼ worse, ○ not decided. "
        "These metrics and all planned losses are a family of their own: p-values are corrected for "
        f"{n} comparisons (step-down max-T), and for the looks at {comparison.metric}; this table is no further look."
        f"{WORST if any(_short(each.name) == 'worst_class' for each in found) else ''}"
    )


def _sides(found: InMetric) -> list[str]:
    sides = {
        word: [label for label, pair in found.pairs.items() if pair.verdict == word] for word in ("better", "worse")
    }
    return [f"{some(labels)} {'is' if len(labels) == 1 else 'are'} {word}" for word, labels in sides.items() if labels]


def _numbers(arm: Arm, found: InMetric) -> dict[str, Any]:
    scores, pair = [*found.outcomes.scores[arm.digest].values()], found.pairs.get(arm.label)
    numbers: dict[str, Any] = {"arm": arm.label, "hash": arm.digest, "metric": found.name, "n": len(scores)}
    numbers["mean"] = float(np.mean(scores))
    return numbers if pair is None else numbers | {f"difference_{name}": getattr(pair, name) for name in FIELDS}
