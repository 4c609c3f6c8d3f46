"""The figures of a report over doses, in the order of the page."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from lossbench.plots.bands import Band
from lossbench.plots.doses import draw_differences, draw_over_doses
from lossbench.plots.forest import draw_forest
from lossbench.plots.page import PageFigure
from lossbench.report import figure_data as data
from lossbench.report.comparison import Comparison
from lossbench.report.doses.lines import Line
from lossbench.report.doses.response import DoseResponse
from lossbench.report.figures import MOST_CURVES, Drawing, draw_all

OVER_DOSES = "doses"
DIFFERENCES = "differences"


def draw_dose_figures(response: DoseResponse, rows: Comparison) -> list[PageFigure]:
    """Draw all figures that apply.

    Args:
        response: the losses at all doses.
        rows: the same as one comparison, whose differences from the baseline become a row each.
    """
    functions: Mapping[str, Callable[[DoseResponse], Iterator[Drawing]]] = {
        "forest": lambda _: forest(rows),
        OVER_DOSES: over_doses,
        DIFFERENCES: differences,
    }
    return draw_all(functions, response)


def over_doses(response: DoseResponse) -> Iterator[Drawing]:
    """The score of every loss against the dose."""
    first, shown = response.first, _shown(response)
    curves = {line.label: _scores(line, response) for line in shown}
    baseline = response.baseline.label if response.baseline in shown else None
    drawn = draw_over_doses(
        curves,
        ticks=ticks(response),
        axis=(_axis_name(response), response.axis.log),
        ylabel=data.axis_name(first),
        baseline=baseline,
    )
    caption = (
        f"Mean {first.metric} over {first.kind}s with its 95 % t interval, not corrected for the number of losses; "
        f"the test examples are the same at every {response.axis.name}.{_cut(response, shown)}"
    )
    yield Drawing(f"{first.metric} against {response.axis.name}", caption, drawn)


def differences(response: DoseResponse) -> Iterator[Drawing]:
    """The difference of every loss from the baseline against the dose; none where nothing was compared."""
    first, shown = response.first, [line for line in _shown(response) if response.pairs(line.label)]
    if response.baseline is None or not shown:
        return
    unit, margin = first.unit, first.margin
    drawn = draw_differences(
        {line.label: _differences(line, response) for line in shown},
        ticks=ticks(response),
        axis=(_axis_name(response), response.axis.log),
        ylabel=f"difference from {response.baseline.label} ({unit.difference or first.metric}), above 0 is better",
        baseline=response.baseline.label,
        margin=None if margin is None else unit.factor * margin,
    )
    caption = (
        f"Mean difference from {response.baseline.label}, paired by {first.kind}, with the intervals of the verdicts, "
        f"which hold for all losses and doses together.{_cut(response, shown)}"
    )
    yield Drawing(f"Differences against {response.axis.name}", caption, drawn)


def forest(comparison: Comparison) -> Iterator[Drawing]:
    """The difference of every loss at every dose, and its change over the doses."""
    shown = data.shown_arms(comparison)
    rows = data.forest_rows(comparison, shown.arms)
    if comparison.baseline is None or not rows:
        return
    unit, baseline = comparison.unit, comparison.baseline.label
    margin = None if comparison.margin is None else unit.factor * comparison.margin
    drawn = draw_forest(rows, margin=margin, unit=unit.difference or comparison.metric, baseline=baseline)
    caption = f"Mean difference from {baseline} at each dose, and its change over the doses.{shown.cut}"
    yield Drawing(f"Paired differences in {comparison.metric}", caption, drawn)


def ticks(response: DoseResponse) -> dict[float, str]:
    """Place of a dose -> how it is called."""
    return {place: response.axis.said(dose) for dose, place in response.places.items()}


def _shown(response: DoseResponse) -> list[Line]:
    """The baseline and the best lines, as many as can be told apart."""
    return list(response.lines[:MOST_CURVES])


def _cut(response: DoseResponse, shown: list[Line]) -> str:
    n = len(response.lines)
    return f" The baseline and the {len(shown)} best of {n} are shown." if n > MOST_CURVES else ""


def _axis_name(response: DoseResponse) -> str:
    axis = response.axis
    return f"{axis.name}: {axis.label}{' (logarithmic)' if axis.log else ''}"


def _scores(line: Line, response: DoseResponse) -> Band:
    unit = response.first.unit
    summaries = {dose: response.comparisons[dose].summaries[line.label] for dose in line.arms}
    rows = np.array([data.interval(found, unit.factor) for found in summaries.values()]).T
    mean, low, high = rows if unit.name != "%" else np.clip(rows, 0, 100)
    return Band(_places([*summaries], response), mean, low, high, min(found.n for found in summaries.values()))


def _differences(line: Line, response: DoseResponse) -> Band:
    factor, pairs = response.first.unit.factor, response.pairs(line.label)
    mean, low, high = factor * np.array([(pair.mean, pair.low, pair.high) for pair in pairs.values()]).T
    return Band(_places([*pairs], response), mean, low, high, min(pair.n for pair in pairs.values()))


def _places(doses: list[float], response: DoseResponse) -> np.ndarray:
    return np.array([response.places[dose] for dose in doses])
