"""The picture of mean ranks shows the ranks and the critical difference that it is given."""

import numpy as np
import pytest
from geometry import check_texts, names

from lossbench.plots.ranks import draw_ranks


@pytest.mark.parametrize("n", [2, 14])
def test_bars_are_as_long_as_the_critical_difference(n: int) -> None:
    ranks = {name: 1.5 * k + 1 for k, name in enumerate(names(n))}
    figure = draw_ranks(ranks, 2.5, baseline=names(n)[1], n=8)
    check_texts(figure)
    axes = figure.axes[0]
    bars = [tuple(np.asarray(line.get_xdata())) for line in axes.lines if line.get_linestyle() == "-"]
    assert bars == [(rank - 1.25, rank + 1.25) for rank in ranks.values()]
    (shade,) = axes.patches
    box = shade.get_extents().transformed(axes.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((2.5 - 1.25, 2.5 + 1.25))
