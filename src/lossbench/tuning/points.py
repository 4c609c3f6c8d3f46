"""At which points a space is searched: scrambled Sobol, the shared coordinates the same for all losses. Torch-free."""

from collections.abc import Mapping
from typing import Any

from lossbench.errors import UserError
from lossbench.seeds import generator
from lossbench.tuning.spaces import Space

MOST_DIMENSIONS = 16
"""Points always have so many coordinates, so that a loss's own numbers change none of the shared ones."""


def points(
    space: Space, default: Mapping[str, float], trials: int, replicate: int, scramble: str = ""
) -> list[dict[str, float]]:
    """Give the settings of every trial: first the default, then a scrambled Sobol sequence.

    More trials of the same replicate begin with the same points.

    Args:
        space: what is searched.
        default: key -> the configured value; those of the space are read.
        trials: how many, at least 1.
        replicate: each has its own scramble.
        scramble: tells the twin of the baseline from the baseline.

    Returns:
        For each trial, key -> value.

    Raises:
        UserError: the space has more than 16 dimensions.

    Reference:
        Owen 1998, Scrambling Sobol' and Niederreiter-Xing points.
    """
    dimensions = space.dimensions
    if len(dimensions) > MOST_DIMENSIONS:
        raise UserError(
            f"{len(dimensions)} settings are searched, {', '.join(each.key for each in dimensions)}; at most "
            f"{MOST_DIMENSIONS} can be: leave some out with search.NAME=null"
        )
    places = _sobol(trials - 1, replicate, scramble)
    first = {each.key: float(default[each.key]) for each in dimensions}
    return [first, *(space.settings(place[: len(dimensions)]) for place in places)]


def _sobol(count: int, replicate: int, scramble: str) -> list[list[float]]:
    """Draw points of [0, 1)^16; fewer are the first of more."""
    if count < 1:
        return []
    from scipy.stats import qmc  # takes half a second

    sobol_of: Any = qmc.Sobol  # `seed` is called `rng` in newer versions, which take both
    sobol = sobol_of(MOST_DIMENSIONS, scramble=True, seed=generator(replicate, "points", scramble))
    return sobol.random_base2((count - 1).bit_length())[:count].tolist()
