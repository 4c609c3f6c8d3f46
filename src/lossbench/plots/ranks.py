"""Which losses rank apart on several data sets: mean ranks with their critical difference."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from lossbench.plots.key import Entry
from lossbench.plots.rows import draw_interval, draw_rows
from lossbench.plots.sheet import ROOM, short
from lossbench.plots.theme import FAINT, INK, QUIET, colour


def draw_ranks(ranks: Mapping[str, float], critical_difference: float, *, baseline: str, n: int) -> Figure:
    """Draw each loss's mean rank with half a critical difference on either side.

    Args:
        ranks: loss -> mean rank, 1 is the best; at least two, from the top.
        critical_difference: mean ranks that differ by more are told apart, > 0.
        baseline: the loss whose bar is shaded over all rows.
        n: data sets.

    Returns:
        The figure; losses whose bars do not overlap are told apart.

    Raises:
        ValueError: fewer than two losses, a critical difference of 0 or less, or a baseline without a rank.

    Reference:
        Demsar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, section 3.2.4.
    """
    if len(ranks) < 2 or critical_difference <= 0 or baseline not in ranks:
        raise ValueError(f"got {len(ranks)} ranks, a critical difference of {critical_difference}, baseline {baseline}")
    half = critical_difference / 2
    bar = {"color": QUIET, "linewidth": 1.4, "marker": "o", "markersize": 4, "markerfacecolor": FAINT}
    figure, axes = draw_rows(
        [*ranks],
        ends=(min(ranks.values()) - half - 0.3, max(ranks.values()) + half + 0.3),
        xlabel=f"mean rank on {n} data sets, left is better",
        words=[[f"{rank:.1f}" for rank in ranks.values()]],
        key=[
            Entry("mean rank and half a critical difference on either side", line=bar, alone=True),
            Entry(f"bar of {short(baseline, ROOM / 3)}", box={"facecolor": FAINT, "edgecolor": "none"}),
        ],
    )
    axes.axvspan(ranks[baseline] - half, ranks[baseline] + half, facecolor=FAINT, edgecolor="none", zorder=0.1)
    for place, (loss, rank) in enumerate(ranks.items()):
        paint = INK if loss == baseline else colour(0)
        draw_interval(axes, place, (rank, rank - half, rank + half), paint, marker="o", markerfacecolor=FAINT)
    return figure
