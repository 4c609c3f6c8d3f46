"""One small data set for each task besides classification, drawn in memory, whose optimum is known.

Where the inputs are groups, one-hot vectors that say to which of 8 groups an example belongs, a linear model has free
numbers for every
group, so that its optimum is each group's own: its median, mean, direction, distribution or rate.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lossbench.config.values import integer
from lossbench.data.source import ONE_CLASS, SPLITS, Source, Split
from lossbench.seeds import generator

GROUPS = 8
STEEP = 3.0  # how much a step in the direction of ToyOrdinal changes its quantity


@dataclass(frozen=True)
class SyntheticSource(Source):
    """Examples drawn from a known law.

    Args:
        n: examples of each split, >= 8.
        draw_seed: decides the law and the examples, >= 0.

    Raises:
        ValueError: a setting is out of range.
    """

    n: int = 512
    draw_seed: int = 0

    def __post_init__(self) -> None:
        integer("n", self.n, GROUPS, 1_000_000, "all examples are held in memory")
        integer("draw_seed", self.draw_seed, low=0)

    def load(self) -> Mapping[str, Split]:
        """Draw the three splits."""
        return {name: self._split(name) for name in SPLITS}

    def law(self) -> np.ndarray:
        """What is to be learnt: one row for each group, or as described there."""
        return self.draw_law(generator(self.draw_seed, f"{type(self).__name__}-law"))

    def _split(self, name: str) -> Split:
        inputs, targets = self.make(generator(self.draw_seed, f"{type(self).__name__}-{name}"))
        ids = np.array([f"{name}-{k}" for k in range(self.n)])
        return Split(inputs.astype(np.float32), targets.astype(np.int64 if self.task in ONE_CLASS else np.float32), ids)

    @abstractmethod
    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """Draw what is to be learnt."""

    @abstractmethod
    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw inputs and targets of n examples."""

    def groups(self) -> np.ndarray:
        """The group of each example, all groups alike: (n,)."""
        return np.arange(self.n) % GROUPS


@dataclass(frozen=True)
class ToyRegression(SyntheticSource):
    """Skewed noise: target = level of the group + an exponential variable of mean 1.

    The conditional median is level + ln 2, the conditional mean level + 1. Each group's noise takes the quantiles of
    its law, shuffled,
    so that its own median and mean hardly differ from those.
    """

    task: ClassVar[str] = "regression"
    input_shape: ClassVar[tuple[int, ...]] = (GROUPS,)
    outputs: ClassVar[int | None] = 1

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """Levels: (8, 1)."""
        return rng.uniform(-2, 2, (GROUPS, 1))

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Targets (n, 1)."""
        group, noise = self.groups(), np.empty(self.n)
        for k in range(GROUPS):
            m = int((group == k).sum())
            noise[group == k] = -np.log1p(-(rng.permutation(m) + 0.5) / m)
        return np.eye(GROUPS)[group], self.law()[group] + noise[:, None]


@dataclass(frozen=True)
class ToyVectors(SyntheticSource):
    """Vectors of random length along the direction of their group: the angle can fall to 0."""

    task: ClassVar[str] = "vectors"
    input_shape: ClassVar[tuple[int, ...]] = (GROUPS,)
    outputs: ClassVar[int | None] = 3

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """Directions: (8, 3) unit rows."""
        rows = rng.normal(size=(GROUPS, 3))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Targets (n, 3)."""
        group = self.groups()
        return np.eye(GROUPS)[group], self.law()[group] * rng.uniform(0.5, 2, (self.n, 1))


@dataclass(frozen=True)
class ToyDistribution(SyntheticSource):
    """The distribution over 4 outcomes that each group has: the divergence can fall to 0."""

    task: ClassVar[str] = "distribution"
    input_shape: ClassVar[tuple[int, ...]] = (GROUPS,)
    outputs: ClassVar[int | None] = 4

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """Probabilities: (8, 4), rows sum to 1."""
        return rng.dirichlet(np.ones(4), GROUPS)

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Targets (n, 4): the distributions themselves."""
        group = self.groups()
        return np.eye(GROUPS)[group], self.law()[group]


@dataclass(frozen=True)
class ToyCounts(SyntheticSource):
    """Poisson counts with a rate for each group: the likeliest rate is the group's mean count."""

    task: ClassVar[str] = "count"
    input_shape: ClassVar[tuple[int, ...]] = (GROUPS,)
    outputs: ClassVar[int | None] = 1

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """Rates: (8, 1), from 0.5 to 20."""
        return np.exp(rng.uniform(np.log(0.5), np.log(20), (GROUPS, 1)))

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Targets (n, 1)."""
        group = self.groups()
        return np.eye(GROUPS)[group], rng.poisson(self.law()[group])


@dataclass(frozen=True)
class ToyLabels(SyntheticSource):
    """Labels that hold independently, with probabilities that each group has: the likeliest are the group's shares."""

    task: ClassVar[str] = "multi_label"
    input_shape: ClassVar[tuple[int, ...]] = (GROUPS,)
    class_names: ClassVar[tuple[str, ...]] = ("red", "round", "small", "sweet")

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """Probabilities: (8, 4), from 0.05 to 0.95."""
        return rng.uniform(0.05, 0.95, (GROUPS, len(self.class_names)))

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Targets (n, 4): 1 where a label holds, else 0."""
        group = self.groups()
        return np.eye(GROUPS)[group], rng.random((self.n, len(self.class_names))) < self.law()[group]


@dataclass(frozen=True)
class ToyOrdinal(SyntheticSource):
    """Five grades of a hidden quantity, a direction in 4 dimensions with logistic noise: CORAL's own law.

    P(y > k) = sigmoid(3 direction . x - threshold_k)
    """

    task: ClassVar[str] = "ordinal"
    input_shape: ClassVar[tuple[int, ...]] = (4,)
    class_names: ClassVar[tuple[str, ...]] = ("lowest", "low", "middle", "high", "highest")
    thresholds: ClassVar[tuple[float, ...]] = (-3.0, -1.0, 1.0, 3.0)

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """The direction: (4,), unit length."""
        direction = rng.normal(size=4)
        return direction / np.linalg.norm(direction)

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Targets (n,): 0..4."""
        inputs = rng.normal(size=(self.n, 4))
        quantity = STEEP * inputs @ self.law() + rng.logistic(size=self.n)
        return inputs, (quantity[:, None] > np.array(self.thresholds)).sum(1)


@dataclass(frozen=True)
class ToyRanking(SyntheticSource):
    """Pairs of points in 4 dimensions, one of them further along a hidden direction, which a linear score finds."""

    task: ClassVar[str] = "ranking"
    members: ClassVar[int] = 2
    input_shape: ClassVar[tuple[int, ...]] = (4,)
    outputs: ClassVar[int | None] = 1

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """The direction: (4,), unit length."""
        direction = rng.normal(size=4)
        return direction / np.linalg.norm(direction)

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, 2, 4), targets (n,): +1 where the first lies further, else -1."""
        pairs = rng.normal(size=(self.n, 2, 4))
        utility = pairs @ self.law()
        return pairs, np.where(utility[:, 0] > utility[:, 1], 1, -1)


@dataclass(frozen=True)
class ToySimilarity(SyntheticSource):
    """Pairs of noisy points of three kinds.

    An embedding that keeps the kind alone has cosine 1 within a kind and 0 between kinds.
    """

    task: ClassVar[str] = "similarity"
    members: ClassVar[int] = 2
    input_shape: ClassVar[tuple[int, ...]] = (6,)
    outputs: ClassVar[int | None] = 3

    def draw_law(self, rng: np.random.Generator) -> np.ndarray:
        """How kind (3) and noise (3) become a point: (6, 6), orthogonal."""
        return np.linalg.qr(rng.normal(size=(6, 6)))[0]

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, 2, 6), targets (n,): +1 where both are of one kind, else -1."""
        first, second = rng.integers(3, size=(2, self.n))
        second = np.where(np.arange(self.n) % 2, first, second)
        return self._points((first, second), rng), np.where(first == second, 1, -1)

    def _points(self, kinds: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        hidden = [np.hstack((np.eye(3)[kind], rng.normal(size=(self.n, 3)))) for kind in kinds]
        return np.stack(hidden, axis=1) @ self.law()


@dataclass(frozen=True)
class ToyTriplets(ToySimilarity):
    """Triplets of the points of `ToySimilarity`: an anchor, another point of its kind, a point of another kind."""

    task: ClassVar[str] = "triplets"
    members: ClassVar[int] = 3

    def make(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, 3, 6), targets (n,) of ones, which tell nothing."""
        kind = rng.integers(3, size=self.n)
        return self._points((kind, kind, (kind + rng.integers(1, 3, self.n)) % 3), rng), np.ones(self.n)
