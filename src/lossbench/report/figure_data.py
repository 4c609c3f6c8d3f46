"""The numbers of a report's figures, in shown units, and the words that several figures share."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lossbench.plots.bands import Band
from lossbench.plots.forest import ForestRow
from lossbench.plots.rows import Interval
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import format_mean
from lossbench.report.grids import Grid, find_grids
from lossbench.report.same_for_all import has_logits
from lossbench.report.stats.summary import Summary

MOST_ROWS = 40
CONFIRM = " The best of many cells looks better than it is: confirm it with new replicates or seeds."


class Shown(NamedTuple):
    """The arms with a row in a figure, and a sentence on those that are left out, if any."""

    arms: Sequence[Arm]
    cut: str


def shown_arms(comparison: Comparison) -> Shown:
    """The best arms, as many as a figure has room for."""
    n = len(comparison.arms)
    return Shown(comparison.arms[:MOST_ROWS], f" The {MOST_ROWS} best of {n} are shown." if n > MOST_ROWS else "")


def interval(summary: Summary, factor: float) -> Interval:
    """Mean and ends of its interval, times a factor."""
    return factor * summary.mean, factor * summary.low, factor * summary.high


def axis_name(comparison: Comparison) -> str:
    """The compared metric with its unit."""
    return f"{comparison.metric} ({comparison.unit.name})" if comparison.unit.name else comparison.metric


def forest_rows(comparison: Comparison, arms: Sequence[Arm]) -> list[ForestRow]:
    """The paired differences of the arms that were compared."""
    factor = comparison.unit.factor
    pairs = {arm.label: comparison.paired[arm.label] for arm in arms if arm.label in comparison.paired}
    return [
        ForestRow(label, factor * pair.mean, factor * pair.low, factor * pair.high, pair.verdict, pair.n)
        for label, pair in pairs.items()
    ]


def units(findings: Findings) -> str:
    """What the means are taken over: "seeds" or "replicates"."""
    return f"{findings.comparison.kind}s"


def scaled_scores(arm: Arm, comparison: Comparison) -> dict[int, float]:
    """Seed -> score."""
    return {seed: comparison.unit.factor * score for seed, score in comparison.scores[arm.label].items()}


def curves(findings: Findings) -> dict[str, Band]:
    """Label -> mean validation curve of at least two points, in the order of the arms."""
    unit = findings.comparison.unit
    found: dict[str, Band] = {}
    for arm in findings.comparison.arms:
        band = findings.measures[arm.label].band
        if band is not None and len(band.steps) > 1:
            found[arm.label] = _scaled(band, unit.factor, is_percent=unit.name == "%")
    return found


def fitted(findings: Findings, name: str) -> dict[str, Band]:
    """Label -> share of labels that are fitted over epochs, percent; of at least two epochs."""
    found: dict[str, Band] = {}
    for arm in findings.comparison.arms:
        band = findings.measures[arm.label].fitted.get(name)
        if band is not None and len(band.steps) > 1:
            found[arm.label] = _scaled(band, 100, is_percent=True)
    return found


def calibration(findings: Findings, arms: Sequence[Arm], metric: str) -> dict[str, Interval]:
    """Label -> calibration error, percentage points; raw only of losses that train a softmax of their outputs."""
    meant = [arm for arm in arms if metric.endswith("_scaled") or has_logits(arm)]
    found = {arm.label: findings.measures[arm.label].calibration.get(metric) for arm in meant}
    return {label: interval(summary, 100) for label, summary in found.items() if summary is not None}


def seconds(findings: Findings, arms: Sequence[Arm]) -> dict[str, Interval]:
    """Label -> wall-clock time of a run."""
    found = {arm.label: findings.measures[arm.label].seconds for arm in arms}
    return {label: interval(summary, 1) for label, summary in found.items() if summary is not None}


def grids(findings: Findings, dimensions: int) -> Iterator[Grid]:
    """The losses swept over so many numbers."""
    return (grid for grid in find_grids(findings.comparison, findings.missing) if len(grid.keys) == dimensions)


def grid_title(grid: Grid, comparison: Comparison) -> str:
    """The loss, the metric, the swept numbers, and what was held fixed."""
    fixed = "".join(f" at {key}={value}" for key, value in grid.fixed.items())
    return f"{grid.loss}: {comparison.metric} over {' and '.join(grid.names)}{fixed}"


def best_text(grid: Grid, comparison: Comparison) -> str:
    """The best cell, and its score."""
    best = grid.arms[grid.best]
    at = ", ".join(f"{name} {best.params[key]:.4g}" for name, key in zip(grid.names, grid.keys, strict=True))
    return f"best: {at}: {format_mean(comparison.summaries[best.label], comparison.unit)}"


def swept_line(grid: Grid, comparison: Comparison) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The swept values, and the mean with both ends of its interval: (k,) each."""
    cells = sorted(grid.arms)
    summaries = [comparison.summaries[grid.arms[cell].label] for cell in cells]
    mean, low, high = np.array([interval(summary, comparison.unit.factor) for summary in summaries]).T
    return grid.x[[i for i, _ in cells]], mean, low, high


def baseline_level(grid: Grid, comparison: Comparison) -> tuple[str, float] | None:
    """The baseline's label and mean; None where it is one of the swept arms."""
    baseline = comparison.baseline
    if baseline is None or baseline in grid.arms.values():
        return None
    return baseline.label, comparison.unit.factor * comparison.summaries[baseline.label].mean


def _scaled(band: Band, factor: float, *, is_percent: bool) -> Band:
    """Clip percentages: the t interval of a few seeds may leave 0..100, which would squeeze the curves."""
    low, high = factor * band.low, factor * band.high
    if is_percent:
        low, high = np.clip(low, 0, 100), np.clip(high, 0, 100)
    return replace(band, mean=factor * band.mean, low=low, high=high)
