"""Bounds of ranges in closed form: from the number of classes, and from other settings. Torch-free."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Region(NamedTuple):
    """The upper limit of a setting that depends on others.

    Args:
        needs: the keys it reads.
        limit: settings -> the limit.
    """

    needs: tuple[str, ...]
    limit: Callable[[Mapping[str, float]], float]


def cosine_softmax_scale(p: float, num_classes: int) -> float:
    """Give the scale with which softmax(scale * cosine) can reach p, the class vectors being a simplex.

    s = (C - 1)/C log((C - 1) p/(1 - p))

    Args:
        p: the wanted probability of the true class, within (0, 1).
        num_classes: C, at least 2.

    Reference:
        Wang et al. 2018, CosFace: Large Margin Cosine Loss for Deep Face Recognition, equation 6.
    """
    return (num_classes - 1) / num_classes * _log_odds(p, num_classes)


def cosine_softmax_temperature(p: float, num_classes: int) -> float:
    """Give 1 / `cosine_softmax_scale`."""
    return 1 / cosine_softmax_scale(p, num_classes)


def unit_logits_scale(p: float, num_classes: int) -> float:
    """Give the scale with which softmax(scale * z/||z||) can reach p, z having one number for each class.

    s = sqrt((C - 1)/C) log((C - 1) p/(1 - p))

    Args:
        p: the wanted probability of the true class, within (0, 1).
        num_classes: C, at least 2.
    """
    return math.sqrt((num_classes - 1) / num_classes) * _log_odds(p, num_classes)


def _log_odds(p: float, num_classes: int) -> float:
    return math.log((num_classes - 1) * p / (1 - p))


def _cosine_prob_beta(settings: Mapping[str, float]) -> float:
    return math.pi * (1 - settings["loss.alpha"] / 2)


BOUNDS: Mapping[str, Callable[[float, int], float]] = {
    "cosine_softmax_scale": cosine_softmax_scale,
    "cosine_softmax_temperature": cosine_softmax_temperature,
    "unit_logits_scale": unit_logits_scale,
}
"""What a bound may name, as {NAME: p}."""
REGIONS: Mapping[str, Region] = {"cosine_prob_beta": Region(("loss.alpha",), _cosine_prob_beta)}
"""What `upper` may name: the range is then in units of this limit, so that no point lies outside."""
