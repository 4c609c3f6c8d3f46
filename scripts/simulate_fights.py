"""A fair fight, simulated: points, trials, choice and refits by the real functions; and the naive search beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from simulate_studies import Study
from simulate_surfaces import EXAMPLES, FOLDS, Nature, Settings

from lossbench.report.stats.differences import Differences
from lossbench.tuning.points import points
from lossbench.tuning.spaces import Dimension, Space
from lossbench.tuning.winners import best_after

LR = Dimension("optimizer.lr", 1e-4, 1.0, "log", "")
WEIGHT_DECAY = Dimension("optimizer.weight_decay", 1e-6, 1.0, "log", "")
Q = Dimension("loss.q", 0.0, 1.0, "linear", "")
SPACES = {1: Space((LR,)), 2: Space((LR, WEIGHT_DECAY)), 3: Space((LR, WEIGHT_DECAY), (Q,))}
DEFAULT = {"optimizer.lr": 3e-3, "optimizer.weight_decay": 1e-4, "loss.q": 0.5}
REPLICATES = 200  # each study takes some of them, so that their points are computed once
TWIN = "twin"


@cache
def searched(space: Space, T: int, replicate: int, scramble: str) -> Settings:
    """Settings of the T trials of a replicate, key -> (T,)."""
    found = points(space, DEFAULT, T, replicate, scramble)
    return {key: np.array([one[key] for one in found]) for key in found[0]}


def choose(nature: Nature, loss: int, r: int, settings: Settings) -> dict[int, int]:
    """Number of the best of the first n trials of a loss in a replicate, by validation."""
    score, nll = ([None if np.isnan(x) else x for x in one.tolist()] for one in nature.trials(loss, r, settings))
    return best_after(score, nll, higher_is_better=True)


@dataclass(frozen=True)
class Fight:
    """What a fair fight finds.

    Args:
        study: differences from the baseline of what was chosen after all trials.
        defaults: of the first trials.
        chosen: (losses, R) learning rates.
    """

    study: Study
    defaults: Study
    chosen: np.ndarray


def fair(nature: Nature, space: Space, T: int) -> Fight:
    """Search every loss in every replicate; its winner is trained anew and tested.

    The last loss is the baseline's twin, with points of its own.

    Args:
        nature: what the study meets.
        space: of all losses.
        T: trials of each loss in each replicate.
    """
    replicates = nature.rng.permutation(REPLICATES)[: nature.R].tolist()
    tested: list[list[np.ndarray]] = []
    chosen = np.empty((nature.losses, nature.R))
    for loss in range(nature.losses):
        tested.append([])
        for r, replicate in enumerate(replicates):
            settings = searched(space, T, replicate, TWIN if loss == nature.losses - 1 else "")
            winner = choose(nature, loss, r, settings)[T]
            chosen[loss, r] = settings[LR.key][winner - 1]
            tested[loss].append(nature.refits(loss, r, picked(settings, [1, winner])))
    scores = np.array(tested, np.float64)
    return Fight(compared(nature, scores[:, :, 1]), compared(nature, scores[:, :, 0]), chosen)


def naive(nature: Nature, space: Space, T: int) -> Study:
    """Tune once, freeze, refit: a search for each loss in one replicate, its winner trained in all of them.

    Args:
        nature: what the study meets.
        space: of all losses.
        T: trials of each loss.

    Returns:
        Differences from the baseline.
    """
    tested = []
    for loss in range(nature.losses):
        settings = searched(space, T, int(nature.rng.integers(REPLICATES)), f"search {loss}")
        frozen = picked(settings, [choose(nature, loss, 0, settings)[T]])
        tested.append([nature.refits(loss, r, frozen)[0] for r in range(nature.R)])
    return compared(nature, np.array(tested, np.float64))


def picked(settings: Settings, trials: Sequence[int]) -> Settings:
    """Settings of some trials by number, from 1."""
    return {key: values[np.array(trials) - 1] for key, values in settings.items()}


def compared(nature: Nature, scores: np.ndarray) -> Study:
    """Differences of every loss from the first, of scores (losses, R, n); the last is the twin."""
    labels = [*(str(k) for k in range(1, nature.losses - 1)), TWIN]
    return {label: _differences(nature, one) for label, one in zip(labels, scores[1:] - scores[0], strict=True)}


def _differences(nature: Nature, d: np.ndarray) -> Differences:
    units, means = np.arange(nature.R), d.mean(1)
    if nature.world.design == "split":
        return Differences(units, means)
    examples = np.full((nature.R, FOLDS * EXAMPLES), np.nan)
    for r in range(nature.R):
        examples[r, nature.tested(r)] = d[r]
    return Differences(units, means, examples)
