"""Pools of examples from a known distribution, and learners compared on replicates of each pool.

Ten Gaussian classes of 40 features; 1,797 examples a pool, repeated 5-fold test parts, 60 % of the pool to learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.report.stats.summary import t_interval
from lossbench.report.stats.verdict import Differences, judge

CLASSES, WIDTH, POOL, FOLDS = 10, 40, 1797, 5
LEARN, TESTED = int(0.6 * POOL), POOL // FOLDS
CENTRES = np.random.default_rng(7).normal(size=(CLASSES, WIDTH)) * 0.55
COLUMNS = 30  # that a noisy learner sees

SCENES = {
    "other features": (("ridge", 10.0, "even"), ("ridge", 10.0, "odd")),
    "ridge against LDA": (("ridge", 10.0, "all"), ("lda", 0.05, "all")),
    "the same, noisy training": (("ridge", 10.0, "some"), ("lda", 0.05, "some")),
    "the same learner, noisy training": (("ridge", 10.0, "some"), ("ridge", 10.0, "some")),
    "a little more shrinkage": (("ridge", 10.0, "all"), ("ridge", 300.0, "all")),
}
Learner = tuple[str, float, str]


@dataclass(frozen=True)
class Sums:
    """Sums over the training examples of R runs: all that the learners need.

    Args:
        gram: (R, 41, 41) of the features and a constant.
        classes: (R, 41, 10) of the same times the class's indicator.
    """

    gram: np.ndarray
    classes: np.ndarray


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw n examples: (n, 41) features with a constant, (n,) classes."""
    y = rng.integers(CLASSES, size=n)
    x = CENTRES[y] + rng.normal(size=(n, WIDTH)) * (1 + 0.3 * (y[:, None] % 3))
    return np.c_[x, np.ones(n)], y


def summed(x: np.ndarray, y: np.ndarray) -> Sums:
    """Sum over (R, n, 41) features and (R, n) classes."""
    turned = x.transpose(0, 2, 1)
    return Sums(turned @ x, turned @ np.eye(CLASSES)[y])


def weights(learner: Learner, sums: Sums, rng: np.random.Generator) -> np.ndarray:
    """Train a learner on each of R sums: (R, 41, 10) weights, 0 for features that it does not see."""
    kind, strength, which = learner
    R = len(sums.gram)
    seen = np.stack([_columns(which, rng) for _ in range(R)])
    runs = np.arange(R)[:, None]
    fit = _ridge if kind == "ridge" else _lda
    whole = np.zeros((R, WIDTH + 1, CLASSES))
    whole[runs, seen] = fit(
        sums.gram[runs[:, :, None], seen[:, :, None], seen[:, None]], sums.classes[runs, seen], strength
    )
    return whole


def right(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether each run (R, 41, 10) is right on its (R, n, 41) examples: (R, n)."""
    return (x @ w).argmax(-1) == y


def true_difference(scene: str, repeats: int, rng: np.random.Generator) -> float:
    """Expected difference in accuracy of the first learner from the second, over training sets and examples."""
    found = []
    for _ in range(repeats):
        x, y = draw(LEARN, rng)
        sums, test = summed(x[None], y[None]), draw(4000, rng)
        found.append(np.diff([right(weights(one, sums, rng), *test).mean() for one in SCENES[scene][::-1]])[0])
    return float(np.mean(found))


def replicates(scene: str, R: int, rng: np.random.Generator) -> np.ndarray:
    """Differences by example of R replicates of a new pool, repeated 5-fold: (R, 1797), nan where not tested."""
    x, y = draw(POOL, rng)
    test, train = np.empty((R, TESTED), int), np.empty((R, LEARN), int)
    order = rng.permutation(POOL)
    for r in range(R):
        if r % FOLDS == 0:
            order = rng.permutation(POOL)
        test[r] = order[r % FOLDS * TESTED : (r % FOLDS + 1) * TESTED]
        train[r] = rng.permutation(np.setdiff1d(np.arange(POOL), test[r]))[:LEARN]
    per = np.full((R, POOL), np.nan, np.float32)
    per[np.arange(R)[:, None], test] = _differences(scene, x, y, train, test, rng)
    return per


def _differences(
    scene: str, x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    sums = summed(x[train], y[train])
    first, second = (right(weights(one, sums, rng), x[test], y[test]) for one in SCENES[scene])
    return first.astype(np.float32) - second


def _columns(which: str, rng: np.random.Generator) -> np.ndarray:
    chosen = {
        "all": np.arange(WIDTH),
        "even": np.arange(0, WIDTH, 2),
        "odd": np.arange(1, WIDTH, 2),
    }.get(which)
    return np.r_[rng.permutation(WIDTH)[:COLUMNS] if chosen is None else chosen, WIDTH]


def _ridge(gram: np.ndarray, classes: np.ndarray, strength: float) -> np.ndarray:
    return np.linalg.solve(gram + strength * np.eye(gram.shape[-1]), classes)


def _lda(gram: np.ndarray, classes: np.ndarray, shrink: float) -> np.ndarray:
    """Linear discriminant analysis; the constant is the last feature, so its sums are counts."""
    counts = classes[:, -1:]
    means = classes[:, :-1] / counts
    n = counts.sum(-1, keepdims=True)
    spread = (gram[:, :-1, :-1] - (means * counts) @ means.transpose(0, 2, 1)) / n
    width = spread.shape[-1]
    average = np.trace(spread, axis1=1, axis2=2)[:, None, None] / width
    spread = (1 - shrink) * spread + shrink * average * np.eye(width)
    w = np.linalg.solve(spread, means)
    return np.concatenate([w, -0.5 * (means * w).sum(1, keepdims=True)], axis=1)


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the true difference, and their mean half-widths.

    Args:
        scene: of the learners.
        R: replicates.
        covered: by the interval of examples and replicates.
        width: its half-width.
        plain_covered: by a plain t interval over replicates.
        plain: its half-width.
        nadeau_bengio_covered: by Nadeau and Bengio's.
        nadeau_bengio: its half-width.
    """

    scene: str
    R: int
    covered: float
    width: float
    plain_covered: float
    plain: float
    nadeau_bengio_covered: float
    nadeau_bengio: float


def cover(scene: str, truth: float, sizes: Sequence[int], pools: int, rng: np.random.Generator) -> list[Coverage]:
    """Measure the coverage of intervals over many pools, with the first replicates of each for smaller sizes."""
    rows: dict[int, list[list[float]]] = {R: [] for R in sizes}
    for _ in range(pools):
        whole = replicates(scene, max(sizes), rng)
        for R in sizes:
            rows[R].append(_intervals(whole[:R], truth))
    return [Coverage(scene, R, *np.mean(found, axis=0).tolist()) for R, found in rows.items()]


def _intervals(per: np.ndarray, truth: float) -> list[float]:
    """Whether each interval holds the truth, and its half-width."""
    means = np.nanmean(per, 1)
    one = judge(
        {"": Differences(np.arange(len(per)), means, per)}, None, design="folds", test_per_train=TESTED / LEARN
    )[""]
    assert one.nadeau_bengio is not None
    return [
        number
        for low, high in ((one.low, one.high), t_interval(means), one.nadeau_bengio)
        for number in (float(low <= truth <= high), (high - low) / 2)
    ]
