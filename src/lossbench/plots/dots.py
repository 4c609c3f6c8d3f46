"""What every single run scored: one dot a seed."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.key import Entry
from lossbench.plots.rows import NOTHING, Interval, check_intervals, draw_rows
from lossbench.plots.scales import limits
from lossbench.plots.theme import INK, QUIET, colour

SPREAD = 0.32  # of a row, up and down from its middle
NAMED = 8  # most seeds listed in the key
DOT = {"color": colour(0), "marker": "o", "markersize": 4.2, "markeredgecolor": "none", "linestyle": "none"}
MEAN = {"color": INK, "linewidth": 1.6}


def draw_dots(
    scores: Mapping[str, Mapping[int, float]],
    *,
    means: Mapping[str, Interval],
    unit: str,
    baseline: str | None,
    kind: str = "seed",
) -> Figure:
    """Draw each run's score, a row a label; the height within the row is the seed or replicate, the same in all rows.

    Args:
        scores: label -> seed or replicate -> score, at least one label; NaN is not drawn but counts as no run.
        means: label -> mean and the ends of its 95 % interval; NaN or a missing label draws nothing.
        unit: of the scores, such as "%" or "accuracy (%)".
        baseline: label whose mean is drawn across all rows, or None.
        kind: "seed" or "replicate".

    Returns:
        The figure.

    Raises:
        ValueError: without a label, or on a baseline that is none of them.
    """
    _check(scores, baseline)
    check_intervals("means", means)
    seeds = sorted(set[int]().union(*scores.values()))
    height = _heights(seeds)
    known = {label: _finite(runs) for label, runs in scores.items()}
    reference = means.get(baseline, NOTHING)[0] if baseline is not None else np.nan
    figure, axes = draw_rows(
        list(scores),
        ends=_ends(known, means),
        xlabel=unit if "(" in unit else f"score ({unit})",
        words=[[f"n = {len(runs)}" for runs in known.values()]],
        key=_key(seeds, kind, baseline if isfinite(reference) else None),
        height=float(np.clip(2.4 * len(seeds) + 10, 20, 44)),
    )
    for place, (label, runs) in enumerate(known.items()):
        _draw_mean(axes, place, means.get(label, NOTHING))
        axes.plot(list(runs.values()), [place + height[seed] for seed in runs], **DOT)
    if isfinite(reference):
        axes.axvline(reference, color=QUIET, linewidth=1, linestyle=":", zorder=1)
    return figure


def _check(scores: Mapping[str, Mapping[int, float]], baseline: str | None) -> None:
    if not scores:
        raise ValueError("scores must hold at least one label, got none")
    if baseline is not None and baseline not in scores:
        raise ValueError(f"baseline must be one of {', '.join(scores)}, got {baseline}")


def _heights(seeds: Sequence[int]) -> dict[int, float]:
    """Seed -> height within a row, from the top; the middle for a single seed."""
    heights = np.linspace(-SPREAD, SPREAD, len(seeds)) if len(seeds) > 1 else np.zeros(len(seeds))
    return dict(zip(seeds, heights.tolist(), strict=True))


def _finite(runs: Mapping[int, float]) -> dict[int, float]:
    return {seed: score for seed, score in runs.items() if isfinite(score)}


def _ends(scores: Mapping[str, Mapping[int, float]], means: Mapping[str, Interval]) -> tuple[float, float]:
    values = [score for runs in scores.values() for score in runs.values()]
    return limits([*values, *(value for interval in means.values() for value in interval)])


def _draw_mean(axes: Axes, place: int, interval: Interval) -> None:
    mean, low, high = interval
    if isfinite(low) and isfinite(high):
        axes.fill_betweenx(
            [place - SPREAD - 0.06, place + SPREAD + 0.06], low, high, facecolor=colour(0), alpha=0.18, linewidth=0
        )
    if isfinite(mean):
        axes.plot([mean, mean], [place - SPREAD - 0.06, place + SPREAD + 0.06], **MEAN)


def _key(seeds: Sequence[int], kind: str, baseline: str | None) -> list[Entry]:
    listed = ", ".join(map(str, seeds)) if len(seeds) <= NAMED else f"{seeds[0]} to {seeds[-1]}"
    which = f": {kind} " if len(seeds) == 1 else f": from the top, {kind}s "
    entries = [
        Entry("one run", line=DOT, tail=which + listed, alone=True),
        Entry("mean", line={**MEAN, "linestyle": "none", "marker": "|", "markersize": 9, "markeredgewidth": 1.6}),
        Entry("95 % interval of the mean", box={"facecolor": colour(0), "alpha": 0.18, "linewidth": 0}),
    ]
    if baseline is not None:
        line = {"color": QUIET, "linewidth": 1, "linestyle": ":"}
        entries.append(Entry(baseline, line=line, tail=": mean", alone=True))
    return entries
