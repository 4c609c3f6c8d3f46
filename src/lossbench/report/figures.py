"""The figures of a report: each is one function here, in the order of the page.

A figure is a generator marked with `@figure(NAME)`. It yields nothing where it does not apply, else a drawing, or one
for each subject.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from matplotlib.figure import Figure

from lossbench.plots.bands import draw_bands, draw_lines
from lossbench.plots.calibration import draw_calibration
from lossbench.plots.cost import draw_cost
from lossbench.plots.dots import draw_dots
from lossbench.plots.forest import draw_forest
from lossbench.plots.heatmap import draw_heatmap
from lossbench.plots.page import PageFigure
from lossbench.report import figure_data as data
from lossbench.report.cost_table import NO_LOGITS
from lossbench.report.findings import Findings
from lossbench.report.same_for_all import stack_line

MOST_CURVES = 7


class Drawing(NamedTuple):
    """What a figure function yields.

    Args:
        title: above the figure.
        caption: what to see, with n.
        figure: the figure.
        subject: what this one of several is about, part of its file's name.
    """

    title: str
    caption: str
    figure: Figure
    subject: str = ""


Reported = TypeVar("Reported")
FigureFunction = Callable[[Findings], Iterator[Drawing]]
FIGURES: dict[str, FigureFunction] = {}


def figure(name: str) -> Callable[[FigureFunction], FigureFunction]:
    """Register a figure of the report under the name of its files."""

    def register(draw: FigureFunction) -> FigureFunction:
        if name in FIGURES:
            raise ValueError(f"there are two figures called {name}")
        FIGURES[name] = draw
        return draw

    return register


def draw_figures(findings: Findings) -> list[PageFigure]:
    """Draw all figures that apply."""
    return draw_all(FIGURES, findings)


def draw_all(functions: Mapping[str, Callable[[Reported], Iterator[Drawing]]], reported: Reported) -> list[PageFigure]:
    """Draw what figure functions, by the names of their files, yield of one report."""
    return [
        PageFigure(f"{name}_{drawing.subject}" if drawing.subject else name, *drawing[:3])
        for name, draw in functions.items()
        for drawing in draw(reported)
    ]


@figure("forest")
def paired_differences(findings: Findings) -> Iterator[Drawing]:
    """The mean difference of every arm from the baseline; none without an arm that shares seeds with it."""
    comparison, shown = findings.comparison, data.shown_arms(findings.comparison)
    rows = data.forest_rows(comparison, shown.arms)
    if comparison.baseline is None or not rows:
        return
    unit, baseline = comparison.unit, comparison.baseline.label
    margin = None if comparison.margin is None else unit.factor * comparison.margin
    band = "" if margin is None else " The grey band is the margin below which a difference does not matter."
    interval = "its 95 % t interval, not corrected for the number of losses"
    caption = f"Mean difference from {baseline} over common {data.units(findings)} with {interval}.{band}{shown.cut}"
    drawn = draw_forest(rows, margin=margin, unit=unit.difference or comparison.metric, baseline=baseline)
    yield Drawing(f"Paired differences in {comparison.metric}", caption, drawn)


@figure("swept")
def one_swept_number(findings: Findings) -> Iterator[Drawing]:
    """The score of a loss against a number that was swept alone."""
    comparison = findings.comparison
    for grid in data.grids(findings, dimensions=1):
        line = data.swept_line(grid, comparison)
        level = data.baseline_level(grid, comparison)
        drawn = draw_lines({grid.loss: line}, xlabel=grid.names[0], ylabel=data.axis_name(comparison), baseline=level)
        mean = f"Mean over {data.units(findings)} with its 95 % t interval"
        caption = f"{mean}; {data.best_text(grid, comparison)}.{data.CONFIRM}"
        yield Drawing(data.grid_title(grid, comparison), caption, drawn, grid.loss)


@figure("heatmap")
def two_swept_numbers(findings: Findings) -> Iterator[Drawing]:
    """The score of a loss over two numbers that were swept together."""
    comparison = findings.comparison
    for grid in data.grids(findings, dimensions=2):
        text, invalid = data.best_text(grid, comparison), int(grid.invalid.sum())
        drawn = draw_heatmap(
            grid.x,
            grid.y,
            grid.mean(comparison),
            invalid=grid.invalid,
            xlabel=grid.names[0],
            ylabel=grid.names[1],
            value=data.axis_name(comparison),
            best=(grid.best[1], grid.best[0]),
            best_text=text,
        )
        cells = f" In {invalid} cells the loss is not defined." if invalid else ""
        yield Drawing(
            data.grid_title(grid, comparison),
            f"Mean over {data.units(findings)}; {text}.{data.CONFIRM}{cells}",
            drawn,
            grid.loss,
        )


@figure("seeds")
def seed_by_seed(findings: Findings) -> Iterator[Drawing]:
    """The score of every run."""
    comparison, shown = findings.comparison, data.shown_arms(findings.comparison)
    factor, baseline = comparison.unit.factor, comparison.baseline
    drawn = draw_dots(
        {arm.label: data.scaled_scores(arm, comparison) for arm in shown.arms},
        means={arm.label: data.interval(comparison.summaries[arm.label], factor) for arm in shown.arms},
        unit=data.axis_name(comparison),
        baseline=baseline.label if baseline is not None and baseline in shown.arms else None,
        kind=comparison.kind,
    )
    caption = (
        f"Each dot is one {comparison.kind}, at the same height within every row; "
        "the line is the mean with its 95 % t interval."
    )
    yield Drawing(f"{comparison.kind.capitalize()} by {comparison.kind}", caption + shown.cut, drawn)


@figure("curves")
def learning_curves(findings: Findings) -> Iterator[Drawing]:
    """The validation curves of the best arms; none where no run measured the metric twice."""
    comparison = findings.comparison
    curves = data.curves(findings)
    if not curves:
        return
    cut = f" The {MOST_CURVES} best of {len(curves)} are shown." if len(curves) > MOST_CURVES else ""
    best = dict(list(curves.items())[:MOST_CURVES])
    unit = f" ({comparison.unit.name})" if comparison.unit.name else ""
    drawn = draw_bands(best, ylabel=f"{comparison.monitored}{unit}", title="")
    caption = f"Mean {comparison.monitored} over {data.units(findings)}, bands are 95 % t intervals at each step.{cut}"
    yield Drawing("Learning curves", caption, drawn)


FITTED = {
    "fitted_flipped": ("Wrong labels memorised", "wrong labels that are predicted (%)"),
    "fitted_clean": ("Right labels fitted", "right labels that are predicted (%)"),
    "recovered": ("Wrong labels seen through", "wrong labels whose true class is predicted (%)"),
}


@figure("memorisation")
def fitted_labels(findings: Findings) -> Iterator[Drawing]:
    """How many wrong and right labels are fitted at each epoch; none where no labels were made wrong."""
    for name, (title, ylabel) in FITTED.items():
        curves = data.fitted(findings, name)
        if curves:
            best = dict(list(curves.items())[:MOST_CURVES])
            cut = f" The {MOST_CURVES} best of {len(curves)} are shown." if len(curves) > MOST_CURVES else ""
            caption = (
                f"From the outputs of training as they come; bands are 95 % t intervals over {data.units(findings)}."
            )
            drawn = draw_bands(best, ylabel=ylabel, title="", xlabel="epoch")
            yield Drawing(title, caption + cut, drawn, name)


@figure("calibration")
def calibration(findings: Findings) -> Iterator[Drawing]:
    """The calibration error before and after temperature scaling; none where no run measured both."""
    shown = data.shown_arms(findings.comparison)
    raw, scaled = (data.calibration(findings, shown.arms, name) for name in ("test/ece", "test/ece_scaled"))
    if raw and scaled:
        drawn = draw_calibration(raw, scaled)
        missing = "" if len(raw) == len(scaled) else f" {NO_LOGITS}"
        caption = (
            "Expected calibration error on the test set (15 bins), raw and after temperature scaling "
            f"fitted on validation data: mean over {data.units(findings)} with its 95 % t interval.{missing}"
        )
        yield Drawing("Calibration", caption + shown.cut, drawn)


@figure("cost")
def cost(findings: Findings) -> Iterator[Drawing]:
    """The wall-clock time of a run; none where no run's time is known, or where runs were trained together."""
    shown = data.shown_arms(findings.comparison)
    seconds = data.seconds(findings, shown.arms)
    if seconds and not stack_line(findings.comparison):
        over = f"mean over {data.units(findings)} with its 95 % t interval"
        caption = f"Wall-clock time of a run, over all its starts: {over}."
        yield Drawing("Cost", caption + shown.cut, draw_cost(seconds, unit="s"))
