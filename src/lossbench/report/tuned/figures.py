"""The figures of a search: the score after n trials, the score against each setting, what was chosen."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from lossbench.metrics.units import Unit, unit_of
from lossbench.plots.after_trials import draw_after_trials
from lossbench.plots.bands import Band
from lossbench.plots.chosen import Chosen, draw_chosen
from lossbench.plots.page import PageFigure
from lossbench.plots.search import Searched, draw_search
from lossbench.report import figure_data as data
from lossbench.report.figures import Drawing, draw_all
from lossbench.report.formatting import counted
from lossbench.report.tuned.budget import trials_of
from lossbench.report.tuned.chosen import chosen_values, middle
from lossbench.report.tuned.comparison import FairFight
from lossbench.report.tuned.curves import Curve, crossings
from lossbench.report.tuned.edges import edges_of_row
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import Row

AFTER = "after_trials"
MOST_LINES = 10
MOST_PANELS = 12


def draw_fair_figures(fight: FairFight) -> list[PageFigure]:
    """Draw the figures of a search that apply."""
    return draw_all(FIGURES, fight)


def after_trials(fight: FairFight) -> Iterator[Drawing]:
    """The test score of what was chosen after 1, 2, 4, ... and all trials."""
    comparison, baseline = fight.comparison, fight.comparison.baseline
    if len({after.n for curve in fight.curves.values() for after in curve}) < 2:
        return
    shown = dict(list(fight.curves.items())[:MOST_LINES])
    drawn = draw_after_trials(
        {label: _band(curve, comparison.unit) for label, curve in shown.items()},
        ylabel=data.axis_name(comparison),
        baseline=baseline.label if baseline else "",
        twin=comparison.twin,
        best="high" if comparison.unit.higher_is_better else "low",
        crossings=[place for label, curve in shown.items() if label in comparison.rivals for place in crossings(curve)],
    )
    cut = _cut(len(fight.curves), MOST_LINES)
    caption = (
        f"After n trials the best by {fight.plan.monitor} is trained anew and tested: mean over "
        f"{data.units(fight.findings)} with its 95 % t interval. One trial is the declared default. Ahead and "
        "behind are by the simultaneous interval of the paired difference, at each number of trials by itself: of "
        f"several numbers one may be chance.{cut}"
    )
    yield Drawing("How much tuning does each loss need?", caption, drawn)


def against_settings(fight: FairFight) -> Iterator[Drawing]:
    """The validation score against each searched setting, every trial a dot."""
    monitor = fight.plan.monitor
    unit = unit_of(monitor)
    name = f"{monitor} ({unit.name})" if unit.name else monitor
    for key, rows in _rows_by_setting(fight).items():
        panels = {row.name: _searched(row, key, fight, unit) for row, _ in rows[:MOST_PANELS]}
        drawn = draw_search(
            panels,
            xlabel=key,
            ylabel=name,
            log=all(dimension.scale == "log" for _, dimension in rows),
            best="high" if unit.higher_is_better else "low",
        )
        caption = (
            f"Every trial of {counted(len(fight.refits.tuned.winners), 'replicate')}: how wide the region is in which "
            "a loss trains well. At most the worst quarter of all trials stands at the foot of the axes."
            f"{_cut(len(rows), MOST_PANELS)}"
        )
        yield Drawing(f"{monitor} against {key}", caption, drawn, _file_name(key))


def chosen_settings(fight: FairFight) -> Iterator[Drawing]:
    """What was chosen in each replicate, on the searched range."""
    for key, rows in _rows_by_setting(fight).items():
        shown = {row.name: _chosen(row, dimension, fight) for row, dimension in rows[: data.MOST_ROWS]}
        drawn = draw_chosen(shown, xlabel=key, log=all(dimension.scale == "log" for _, dimension in rows))
        same = "Each dot is the setting chosen in one replicate, at the same height in every row."
        caption = f"{same}{_cut(len(rows), data.MOST_ROWS)}"
        yield Drawing(f"Chosen {key}", caption, drawn, _file_name(key))


FIGURES: Mapping[str, Callable[[FairFight], Iterator[Drawing]]] = {
    AFTER: after_trials,
    "trials": against_settings,
    "chosen": chosen_settings,
}


def _cut(n: int, most: int) -> str:
    return f" The {most} best of {n} are shown." if n > most else ""


def _band(curve: Curve, unit: Unit) -> Band:
    summaries = [after.summary for after in curve]
    mean, low, high = unit.factor * np.array([[each.mean, each.low, each.high] for each in summaries]).T
    if unit.name == "%":
        low, high = np.clip(low, 0, 100), np.clip(high, 0, 100)
    return Band(np.array([after.n for after in curve], dtype=float), mean, low, high, min(each.n for each in summaries))


def _rows_by_setting(fight: FairFight) -> dict[str, list[tuple[Row, Dimension]]]:
    """Setting -> the rows that search it with its range, in the order of the table; the twin's are the baseline's."""
    found: dict[str, list[tuple[Row, Dimension]]] = {}
    for arm in fight.comparison.arms:
        row = fight.plan.row(arm.label)
        for dimension in () if row.is_twin else row.space.dimensions:
            found.setdefault(dimension.key, []).append((row, dimension))
    return found


def _searched(row: Row, key: str, fight: FairFight, unit: Unit) -> Searched:
    trials = trials_of(fight.refits, row)
    winners = [found.rows[row.name].winner.trial for found in fight.refits.tuned.winners.values()]
    numbers = [number for number in winners for _ in range(fight.plan.trials)]
    return Searched(
        x=np.array([trial.settings[key] for trial in trials]),
        y=unit.factor * np.array([np.nan if trial.score is None else trial.score for trial in trials]),
        chosen=np.array([trial.trial == number for trial, number in zip(trials, numbers, strict=True)]),
        default=row.default[key],
    )


def _chosen(row: Row, dimension: Dimension, fight: FairFight) -> Chosen:
    values = chosen_values(fight.refits.tuned, row, dimension)
    edge = next(each for each in edges_of_row(fight.refits.tuned, row) if each.dimension.key == dimension.key)
    ends = [dimension.value(place, winner) for place in (0.0, 1.0) for winner in [_settings(row, fight)]]
    return Chosen(
        values=values,
        middle=middle([*values.values()], dimension),
        low=ends[0],
        high=ends[1],
        default=row.default[dimension.key],
        words="too narrow" if edge.is_narrow else "",
    )


def _settings(row: Row, fight: FairFight) -> Mapping[str, float]:
    """Settings of one winner: a range whose end depends on another setting is drawn where that one has this value."""
    return next(iter(fight.refits.tuned.winners.values())).rows[row.name].winner.settings


def _file_name(key: str) -> str:
    return key.replace(".", "_")
