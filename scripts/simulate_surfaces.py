"""Runs of losses whose skill follows a known surface over their settings.

The surface over the learning rate is cross-entropy's as measured: digits, mlp, Adam, 30 epochs, 6 replicates. Those
over weight decay and over a number of the loss's own are assumed. A skill is the probit of an accuracy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from lossbench.report.stats.differences import Design

LOG_LR = np.arange(-12, 1) / 3
ACCURACY = np.array([87.1, 91.8, 93.9, 96.2, 97.0, 97.6, 97.7, 97.7, 97.5, 95.5, 62.3, 17.8, 11.7]) / 100
SKILL = ndtri(ACCURACY)
DIVERGES, CHANCE = -1.0, 0.1  # a run of less skill diverges, and then scores that
EXAMPLES, FOLDS = 359, 5
SHIFT, OWN_SHIFT = 0.15, 0.05  # decades by which a replicate moves the surface: of all losses, and of each
TRAINING = 0.02  # standard deviation of a run's skill over training seeds
VIEW, NOISE = 0.05, 0.06  # of an example's difficulty, whose standard deviation is 1: by loss, and by run
SD, LEVEL = 0.003, 0.006  # of scores without examples: by run, and by the validation or test part of a replicate
LOST = 0.3  # by a run that collapses

Settings = Mapping[str, np.ndarray]


def surface(settings: Settings, shift: float) -> np.ndarray:
    """Skill at (T,) settings: learning rate, weight decay, a loss's own number q of 0..1, as far as they are tuned."""
    skill = np.interp(np.log10(settings["optimizer.lr"]) + shift, LOG_LR, SKILL)
    if "optimizer.weight_decay" in settings:
        skill = skill - 0.6 * np.maximum(0.0, np.log10(settings["optimizer.weight_decay"]) + 2.5) ** 2
    return skill - 1.5 * (settings["loss.q"] - 0.7) ** 2 if "loss.q" in settings else skill


@dataclass(frozen=True)
class World:
    """The law of the scores of losses that are equal but for what is said here.

    Args:
        noise: "Gaussian" or "t3", of a score; "discrete": right or wrong on 359 examples, folds of a pool.
        collapse: share of runs that lose 30 points.
        better: skill by which loss 1 exceeds the others.
        beyond: decades by which the surface of loss 1 lies at larger learning rates.
    """

    noise: str = "Gaussian"
    collapse: float = 0.0
    better: float = 0.0
    beyond: float = 0.0

    @property
    def design(self) -> Design:
        """How replicates are tested."""
        return "folds" if self.noise == "discrete" else "split"


class Nature:
    """All that a study of some losses on R replicates meets.

    Args:
        world: the law.
        losses: how many; 0 is the baseline.
        R: replicates.
        rng: of this study.
    """

    def __init__(self, world: World, losses: int, R: int, rng: np.random.Generator) -> None:
        self.world, self.losses, self.R, self.rng = world, losses, R, rng
        self.shift = SHIFT * rng.normal(size=R) + OWN_SHIFT * rng.normal(size=(losses, R))
        self.better = np.zeros(losses)
        if losses > 1:
            self.shift[1] -= world.beyond
            self.better[1] = world.better
        self.level = LEVEL * rng.normal(size=(2, R))
        if world.noise == "discrete":
            self._draw_examples()

    def _draw_examples(self) -> None:
        N, repeats = FOLDS * EXAMPLES, -(-self.R // FOLDS)
        views = VIEW * self.rng.normal(size=(self.losses, N))
        self.ease = self.rng.normal(size=N) + views
        self.parts = np.concatenate([self.rng.permutation(N).reshape(FOLDS, EXAMPLES) for _ in range(repeats)])

    def tested(self, r: int) -> np.ndarray:
        """Test examples of a replicate (359,)."""
        return self.parts[r]

    def validated(self, r: int) -> np.ndarray:
        """Validation examples of a replicate (359,): the next fold."""
        return self.parts[r - r % FOLDS + (r + 1) % FOLDS]

    def trials(self, loss: int, r: int, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Validation scores (T,) and scaled NLL (T,) of trials; nan of those that diverge."""
        skill = self._skill(loss, r, settings)
        nll = 0.2 - 0.05 * skill + 0.002 * self.rng.normal(size=len(skill))
        if self.world.noise == "discrete":
            score = self._right(loss, self.validated(r), skill).mean(1)
        else:
            score = self._score(0, r, skill)
        diverged = skill < DIVERGES
        return np.where(diverged, np.nan, score), np.where(diverged, np.nan, nll)

    def refits(self, loss: int, r: int, settings: Settings) -> np.ndarray:
        """Test scores of refits (T, 1), or whether they are right on the test examples (T, 359)."""
        skill = self._skill(loss, r, settings)
        if self.world.noise == "discrete":
            right = self._right(loss, self.tested(r), skill)
            return np.where((skill < DIVERGES)[:, None], self.rng.random(right.shape) < CHANCE, right)
        return np.where(skill < DIVERGES, CHANCE, self._score(1, r, skill))[:, None]

    def _skill(self, loss: int, r: int, settings: Settings) -> np.ndarray:
        skill = surface(settings, self.shift[loss, r]) + self.better[loss]
        return skill + TRAINING * self.rng.normal(size=len(skill))

    def _score(self, part: int, r: int, skill: np.ndarray) -> np.ndarray:
        noise = self.rng.standard_t(3, size=len(skill)) / np.sqrt(3)
        if self.world.noise == "Gaussian":
            noise = self.rng.normal(size=len(skill))
        return ndtr(skill) + self.level[part, r] + SD * noise - LOST * self._collapses(len(skill))

    def _right(self, loss: int, examples: np.ndarray, skill: np.ndarray) -> np.ndarray:
        noise = NOISE * self.rng.standard_normal((len(skill), len(examples)), dtype=np.float32)
        scale = np.sqrt(1 + VIEW**2 + NOISE**2)
        right = (scale * skill)[:, None] + self.ease[loss, examples] + noise > 0
        for t in np.flatnonzero(self._collapses(len(skill))):
            right[t] &= self.rng.random(len(examples)) >= LOST
        return right

    def _collapses(self, T: int) -> np.ndarray:
        return self.rng.random(T) < self.world.collapse
