"""The pictures of a report."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from lossbench.plots.bands import Band, draw_bands, draw_lines
from lossbench.plots.calibration import draw_calibration
from lossbench.plots.cost import draw_cost
from lossbench.plots.dots import draw_dots
from lossbench.plots.forest import ForestRow, draw_forest
from lossbench.plots.heatmap import draw_heatmap
from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.grids import Grid, find_grids
from lossbench.report.measures import Measures
from lossbench.report.records import Record
from lossbench.report.sentences import score
from lossbench.report.stats.summary import Summary

MOST_ROWS = 40
MOST_CURVES = 7


class Picture(NamedTuple):
    """A picture and what it shows.

    Args:
        name: of its files.
        title: above it.
        caption: what to see, with n.
        figure: the picture.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def draw_pictures(answer: Answer, measures: Mapping[str, Measures], missing: Sequence[Record]) -> list[Picture]:
    """Draw all that the runs have something to say about."""
    shown = answer.arms[:MOST_ROWS]
    cut = f" The {MOST_ROWS} best of {len(answer.arms)} are shown." if len(answer.arms) > MOST_ROWS else ""
    return [
        *_forest(answer, shown, cut),
        *(_grid(answer, grid) for grid in find_grids(answer, missing)),
        _dots(answer, shown, cut),
        *_curves(answer, measures),
        *_calibration(measures, shown, cut),
        *_cost(measures, shown, cut),
    ]


def _forest(answer: Answer, shown: Sequence[Arm], cut: str) -> Iterator[Picture]:
    unit, baseline = answer.unit, answer.baseline
    compared = [(arm, answer.comparisons[arm.label]) for arm in shown if arm.label in answer.comparisons]
    if baseline is None or not compared:
        return
    rows = [
        ForestRow(
            arm.label,
            unit.factor * found.mean,
            unit.factor * found.low,
            unit.factor * found.high,
            found.verdict,
            found.n,
        )
        for arm, found in compared
    ]
    margin = None if answer.margin is None else unit.factor * answer.margin
    figure = draw_forest(rows, margin=margin, unit=unit.difference or answer.metric, baseline=baseline.label)
    band = "" if margin is None else " The grey band is the margin below which a difference does not matter."
    interval = "its 95 % t interval, not corrected for the number of losses"
    caption = f"Mean difference from {baseline.label} over common seeds with {interval}.{band}"
    yield Picture("forest", f"Paired differences in {answer.metric}", caption + cut, figure)


def _dots(answer: Answer, shown: Sequence[Arm], cut: str) -> Picture:
    factor = answer.unit.factor
    scores = {arm.label: {seed: factor * value for seed, value in arm.scores(answer.metric).items()} for arm in shown}
    means = {arm.label: _triple(answer.summaries[arm.label], factor) for arm in shown}
    baseline = answer.baseline.label if answer.baseline in shown and answer.baseline else None
    figure = draw_dots(scores, means=means, unit=_axis(answer), baseline=baseline)
    caption = (
        "Each dot is one seed, at the same height within every row; the line is the mean with its 95 % t interval."
        + cut
    )
    return Picture("seeds", "Seed by seed", caption, figure)


def _curves(answer: Answer, measures: Mapping[str, Measures]) -> Iterator[Picture]:
    factor = answer.unit.factor
    bands = {
        arm.label: found
        for arm in answer.arms
        if (found := measures[arm.label].band) is not None and len(found.steps) > 1
    }
    if not bands:
        return
    cut = f" The {MOST_CURVES} best of {len(bands)} are shown." if len(bands) > MOST_CURVES else ""
    curves = {
        label: Band(
            found.steps,
            factor * found.mean,
            _possible(answer, factor * found.low),
            _possible(answer, factor * found.high),
            found.n,
        )
        for label, found in list(bands.items())[:MOST_CURVES]
    }
    unit = f" ({answer.unit.name})" if answer.unit.name else ""
    figure = draw_bands(curves, ylabel=f"{answer.monitored}{unit}", title="")
    yield Picture(
        "curves",
        "Learning curves",
        f"Mean {answer.monitored} over seeds, bands are 95 % t intervals at each step.{cut}",
        figure,
    )


def _possible(answer: Answer, ends: np.ndarray) -> np.ndarray:
    """A t interval of a few seeds may leave 0..100 %, which would squeeze the curves."""
    return np.clip(ends, 0, 100) if answer.unit.name == "%" else ends


def _calibration(measures: Mapping[str, Measures], shown: Sequence[Arm], cut: str) -> Iterator[Picture]:
    found = {arm.label: measures[arm.label].calibration for arm in shown}
    both = {label: sums for label, sums in found.items() if {"test/ece", "test/ece_scaled"} <= set(sums)}
    if both:
        raw = {label: _triple(sums["test/ece"], 100) for label, sums in both.items()}
        scaled = {label: _triple(sums["test/ece_scaled"], 100) for label, sums in both.items()}
        caption = (
            "Expected calibration error on the test set (15 bins), raw and after temperature scaling fitted on validation data: mean over "
            "seeds with its 95 % t interval. Outputs of the cosine losses are no logits, so their raw value means nothing."
        )
        yield Picture("calibration", "Calibration", caption + cut, draw_calibration(raw, scaled))


def _cost(measures: Mapping[str, Measures], shown: Sequence[Arm], cut: str) -> Iterator[Picture]:
    seconds = {arm.label: _triple(found, 1) for arm in shown if (found := measures[arm.label].seconds) is not None}
    if seconds:
        caption = "Wall-clock time of a run (in proportion to its steps, if it was interrupted): mean over seeds with its 95 % t interval."
        yield Picture("cost", "Cost", caption + cut, draw_cost(seconds, unit="s"))


def _grid(answer: Answer, grid: Grid) -> Picture:
    best = grid.arms[grid.best]
    names = [key.removeprefix("loss.") for key in grid.keys]
    fixed = "".join(f" at {key}={value}" for key, value in grid.fixed.items())
    said = ", ".join(f"{name} {best.params[key]:.4g}" for name, key in zip(names, grid.keys, strict=True))
    text = f"best: {said}: {_with_interval(answer, best)}"
    title = f"{grid.loss}: {answer.metric} over {' and '.join(names)}{fixed}"
    warning = " The best of many cells looks better than it is: confirm it with new seeds."
    if len(grid.keys) == 1:
        low, high, mean = (
            np.array(
                [_triple(answer.summaries[grid.arms[i, 0].label], answer.unit.factor)[k] for i, _ in sorted(grid.arms)]
            )
            for k in (1, 2, 0)
        )
        x = grid.x[[i for i, _ in sorted(grid.arms)]]
        baseline = _line(answer, grid)
        figure = draw_lines({grid.loss: (x, mean, low, high)}, xlabel=names[0], ylabel=_axis(answer), baseline=baseline)
        return Picture(
            f"swept_{grid.loss}", title, f"Mean over seeds with its 95 % t interval; {text}.{warning}", figure
        )
    invalid = int(grid.invalid.sum())
    figure = draw_heatmap(
        grid.x,
        grid.y,
        grid.mean(answer),
        invalid=grid.invalid,
        xlabel=names[0],
        ylabel=names[1],
        value=_axis(answer),
        best=(grid.best[1], grid.best[0]),
        best_text=text,
    )
    cells = f" In {invalid} cells the loss is not defined." if invalid else ""
    return Picture(f"heatmap_{grid.loss}", title, f"Mean over seeds; {text}.{warning}{cells}", figure)


def _line(answer: Answer, grid: Grid) -> tuple[str, float] | None:
    baseline = answer.baseline
    if baseline is None or baseline in grid.arms.values():
        return None
    return baseline.label, answer.unit.factor * answer.summaries[baseline.label].mean


def _with_interval(answer: Answer, arm: Arm) -> str:
    summary, unit = answer.summaries[arm.label], answer.unit
    if math.isnan(summary.low):
        return f"{score(summary.mean, unit)} (n = 1 seed)"
    return f"{score(summary.mean, unit)} (95 % interval {score(summary.low, unit)} to {score(summary.high, unit)}, n = {summary.n} seeds)"


def _axis(answer: Answer) -> str:
    return f"{answer.metric} ({answer.unit.name})" if answer.unit.name else answer.metric


def _triple(summary: Summary, factor: float) -> tuple[float, float, float]:
    return factor * summary.mean, factor * summary.low, factor * summary.high
