"""What is known of a loss once it has been measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lossbench.tuning.spaces import Dimension


class Curve(NamedTuple):
    """A loss along its path; (n,) each.

    Args:
        x: probability of the true class, its cosine, or the error.
        value: L.
        slope: dL/dx.
        gradient: dL/dz_y, of the true class's logit (or cosine); of a regression loss dL/d output.
    """

    x: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    gradient: np.ndarray


class Chance(NamedTuple):
    """Where all logits are equal; (n,) each."""

    classes: np.ndarray
    value: np.ndarray
    gradient: np.ndarray


class Band(NamedTuple):
    """A loss over the range of one setting that a tuned sweep searches.

    Args:
        range: the setting and its range.
        low: the least value, slope and gradient at each place of the path.
        high: the largest ones.
    """

    range: Dimension
    low: Curve
    high: Curve


class Swept(NamedTuple):
    """A loss for some values of one setting.

    Args:
        curves: value -> the loss along its path.
        refused: the values for which it is not defined.
        searched: where the setting has a range.
    """

    curves: dict[float, Curve]
    refused: list[float]
    searched: Band | None = None


@dataclass(frozen=True)
class Measured:
    """What was found of a loss.

    Args:
        path: what the curve runs along: probability, cosine or error.
        of_p: whether it sees nothing but differences of logits, that is probabilities.
        curve: for a picture.
        minimum: where on the path it is least, and how much.
        falls: whether it falls, or stays level, all the way to the right answer.
        finite: dtype -> the logit gap (or error) up to which loss and gradient are finite; inf where no end was found.
        chance: None where there are no classes.
        swept: setting -> curves.
        contour: (n,) logits and (n, n) norms of the gradient over the second (rows) and the true logit (columns).
    """

    path: str
    of_p: bool
    curve: Curve
    minimum: tuple[float, float]
    falls: bool
    finite: Mapping[str, float]
    chance: Chance | None = None
    swept: Mapping[str, Swept] = field(default_factory=dict)
    contour: tuple[np.ndarray, np.ndarray] | None = None
