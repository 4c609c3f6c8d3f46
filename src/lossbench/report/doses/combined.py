"""All arms at all doses as one comparison, for what a report says of runs whatever their dose."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.doses.response import DoseResponse
from lossbench.report.findings import Findings
from lossbench.report.measures import Measures

BY_LABEL = (
    "summaries", "scores", "paired", "common", "standing", "diverged", "unfinished", "collapsed", "barred",
)  # fmt: skip


def combine(response: DoseResponse) -> Findings:
    """Put the comparisons of all doses into one, whose labels name the dose; its baseline stands for that of each."""
    named: dict[str, dict[str, Any]] = {name: {} for name in BY_LABEL}
    measures: dict[str, Measures] = {}
    damaged: dict[str, None] = {}
    for dose, found in response.findings.items():
        labels = {arm.label: dosed(arm.label, dose, response) for arm in found.comparison.arms}
        for name, known in named.items():
            known |= _renamed(getattr(found.comparison, name), labels)
        measures |= _renamed(found.measures, labels)
        damaged |= dict.fromkeys(found.damaged)
    comparison = replace(
        response.first, arms=_arms(response), baseline=_baseline(response), baselines=_baselines(response), **named
    )
    return Findings(comparison, measures, None, response.missing, [*damaged])


def dosed(label: str, dose: float, response: DoseResponse) -> str:
    """The label of an arm with its dose: "power, images_per_class=5"."""
    return f"{label}, {response.axis.at(dose)}"


def with_trends(comparison: Comparison, response: DoseResponse) -> Comparison:
    """Add a row for the trend of each line behind those of its doses, for the plot of differences."""
    arms = [*comparison.arms]
    paired = dict(comparison.paired)
    for label, pair in response.trends.items():
        line = next(line for line in response.lines if line.label == label)
        name = f"{label}, trend"
        last = max(k for k, arm in enumerate(arms) if arm.digest in {one.digest for one in line.arms.values()})
        arms.insert(last + 1, replace(arms[last], label=name, runs={}, diverged={}))
        paired[name] = pair
    return replace(comparison, arms=arms, paired=paired)


def without_doses(comparison: Comparison, response: DoseResponse) -> Comparison:
    """Name the arms by their losses alone, for sentences about what was compared."""
    labels = {arm.digest: line.label for line in response.lines for arm in line.arms.values()}
    named = [replace(arm, label=labels[arm.digest]) for arm in comparison.arms]
    baselines = frozenset(() if response.baseline is None else (response.baseline.label,))
    return replace(comparison, arms=named, baselines=baselines)


def _renamed(known: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    return {labels[label]: value for label, value in known.items()}


def _arms(response: DoseResponse) -> list[Arm]:
    """The arms of each line by rising dose."""
    return [
        replace(arm, label=dosed(line.label, dose, response))
        for line in response.lines
        for dose, arm in line.arms.items()
    ]


def _baseline(response: DoseResponse) -> Arm | None:
    line = response.baseline
    return None if line is None else next(iter(line.arms.values()))


def _baselines(response: DoseResponse) -> frozenset[str]:
    line = response.baseline
    return frozenset(() if line is None else (dosed(line.label, dose, response) for dose in line.arms))
