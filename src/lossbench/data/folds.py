"""Which examples a replicate learns from, chooses by and is tested on: a function of a seed and its number. Torch-free.

Replicate r of k folds tests on fold r % k of repeat r // k. Training and validation examples are drawn from the rest.
"""

from collections.abc import Sequence

import numpy as np

from lossbench.data.split import SPLITS
from lossbench.seeds import generator

CLOSE = 0.021
"""How far k times a fraction may be from 1: 0.33 is 3 folds, 0.17 is 6."""


def fold_count(name: str, fraction: float) -> int:
    """How many folds a test fraction gives.

    Args:
        name: of the setting, for the message.
        fraction: of the examples that a replicate is tested on, in (0, 1).

    Returns:
        k = 1 / fraction, >= 2.

    Raises:
        ValueError: it is no whole number within rounding.
    """
    folds = max(2, round(1 / fraction))
    if abs(folds * fraction - 1) <= CLOSE:
        return folds
    near = {max(2, int(1 / fraction)), max(2, int(1 / fraction) + 1)}
    allowed = " or ".join(f"{1 / k:.3g} ({k} folds)" for k in sorted(near))
    raise ValueError(
        f"{name} must be 1 / k with a whole number k for replicate=, because the test parts of k replicates are "
        f"disjoint and cover the data; got {fraction:g}, the nearest are {allowed}"
    )


def fold_parts(groups: np.ndarray, replicate: int, *, folds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a pool into what a replicate is tested on and the rest; the folds of one repeat are disjoint.

    Examples are sorted by class, at random within each; every k-th of this list is in the same fold, so that folds
    have equal sizes, and equally many of each class, up to one.

    Args:
        groups: what is spread evenly over the folds, such as class indices, (n,).
        replicate: r >= 0.
        folds: k >= 2, at most n.
        seed: of the split, >= 0.

    Returns:
        Positions of the rest and of the test part, sorted.
    """
    repeat, fold = divmod(replicate, folds)
    order = _ranked(groups, generator(seed, "folds", repeat))
    tested = np.zeros(len(groups), dtype=bool)
    tested[order[fold::folds]] = True
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def draw_parts(groups: np.ndarray, sizes: Sequence[int], rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint parts at random, each with the share of every class that the whole has, up to one example.

    Args:
        groups: such as class indices, (n,).
        sizes: of the parts, which add up to n at most.
        rng: the draw's own generator.

    Returns:
        Positions of each part and, last, of what is left: class by class, in random order within each.
    """
    left = _ranked(groups, rng)
    parts: list[np.ndarray] = []
    for size in sizes:
        found, index, counts = np.unique(groups[left], return_index=True, return_counts=True)
        taken = dict(zip(found.tolist(), _apportioned(counts, size).tolist(), strict=True))
        first = dict(zip(found.tolist(), index.tolist(), strict=True))
        rows = [np.arange(first[label], first[label] + taken[label]) for label in taken]
        chosen = np.concatenate(rows) if rows else np.arange(0)
        parts.append(left[chosen])
        left = np.delete(left, chosen)
    return [*parts, left]


def repeated_folds(
    groups: np.ndarray, replicate: int, *, folds: int, val: float, seed: int, per_class: int | None = None
) -> dict[str, np.ndarray]:
    """Split a pool for one replicate by repeated stratified folds; train and val are as large for every replicate.

    Args:
        groups: class indices, (n,).
        replicate: r >= 0.
        folds: k; every replicate is tested on one k-th of the pool.
        val: the share of the pool that it is validated on, in (0, 1 - 1/k).
        seed: of the split, >= 0.
        per_class: training examples kept of each class, nested; None keeps all.

    Returns:
        Positions, sorted, for train, val and test.

    Raises:
        ValueError: a class has fewer than `per_class` training examples.

    Reference:
        Kohavi 1995, A Study of Cross-Validation and Bootstrap for Accuracy Estimation and Model Selection, section 2.
    """
    n = len(groups)
    rest, test = fold_parts(groups, replicate, folds=folds, seed=seed)
    surplus = len(rest) - (n - -(-n // folds))  # the smaller folds leave one more: without it all train on as many
    rng = generator(seed, "replicate", replicate)
    validation, _, learnt = draw_parts(groups[rest], (round(n * val), surplus), rng)
    learnt = first_of_each(groups[rest], learnt, per_class)
    return {"train": np.sort(rest[learnt]), "val": np.sort(rest[validation]), "test": test}


def first_of_each(groups: np.ndarray, ranked: np.ndarray, per_class: int | None) -> np.ndarray:
    """Keep the first `per_class` positions of each class; None keeps all.

    Args:
        groups: class indices, (n,).
        ranked: positions in random order.
        per_class: >= 1.

    Raises:
        ValueError: a class has fewer.
    """
    if per_class is None:
        return ranked
    kept = []
    for label in np.unique(groups):
        members = ranked[groups[ranked] == label]
        if per_class > len(members):
            raise ValueError(
                f"images_per_class must be <= {len(members)} (class {label} has no more training images), "
                f"got {per_class}"
            )
        kept.append(members[:per_class])
    return np.concatenate(kept)


def _ranked(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions sorted by class, at random within each."""
    return np.lexsort((rng.permutation(len(groups)), groups))


def _apportioned(counts: np.ndarray, size: int) -> np.ndarray:
    """How many of each class make a part of this size: by largest remainder, the last of a class only if need be."""
    quota = size * counts / max(1, counts.sum())
    whole = np.floor(quota + 1e-9).astype(np.int64)
    spare = whole < counts - 1
    first = np.lexsort((np.arange(len(counts)), -(quota - whole), ~spare))[: size - int(whole.sum())]
    whole[first] += 1
    return whole


def stratified_split(
    targets: np.ndarray, rng: np.random.Generator, *, val: float, test: float, per_class: int | None = None
) -> dict[str, np.ndarray]:
    """Split examples class by class; a smaller `per_class` is a subset of a larger one.

    Args:
        targets: class indices, (n,).
        rng: the split's own generator.
        val: the validation fraction of each class, in (0, 1).
        test: the test fraction of each class, in (0, 1).
        per_class: training examples kept of each class; None keeps all.

    Returns:
        Positions, sorted, for train, val and test.

    Raises:
        ValueError: a class has fewer than `per_class` training examples.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        n_test, n_val = round(len(members) * test), round(len(members) * val)
        train = members[n_test + n_val :]
        if per_class is not None and per_class > len(train):
            raise ValueError(
                f"images_per_class must be <= {len(train)} (class {label} has no more training images), got {per_class}"
            )
        parts["test"].append(members[:n_test])
        parts["val"].append(members[n_test : n_test + n_val])
        parts["train"].append(train[:per_class])
    return {name: np.sort(np.concatenate(chunks)) for name, chunks in parts.items()}
