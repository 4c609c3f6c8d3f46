"""Splits in which all examples of a group, such as one patient's, are in the same part. Torch-free.

Groups are given out at random, large ones first, each to the part that lacks its classes most; then groups of two parts
change places as long as that brings the sizes of the parts nearer to what is asked for.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np

from lossbench.data.folds import draw_parts
from lossbench.data.split import SPLITS, Split
from lossbench.seeds import generator

EXCHANGES = 200
"""How often groups change places, at most."""
SPARED = 0.01
"""Share of the pool that may stay unused, so that all replicates train on equally many examples."""


def grouped_folds(
    targets: np.ndarray, groups: np.ndarray, replicate: int, *, folds: int, val: float, seed: int
) -> dict[str, np.ndarray]:
    """Split a pool for one replicate; the test parts of k replicates are disjoint and cover the pool.

    Where the groups allow it, train and val are as large for every replicate: then the smaller folds leave up to 1 % of
    the pool, which is not used. Otherwise the sizes differ by what the groups force.

    Args:
        targets: class indices, which are spread evenly, (n,).
        groups: the group of each example, text or integers, (n,).
        replicate: r >= 0; it tests on fold r % k of repeat r // k.
        folds: k; there must be at least as many groups.
        val: the share of the pool that it is validated on, in (0, 1 - 1/k).
        seed: of the split, >= 0.

    Returns:
        Positions, sorted, for train, val and test.

    Raises:
        ValueError: there are too few groups, or one is too large to leave any for a part.
    """
    n, (repeat, fold) = len(targets), divmod(replicate, folds)
    part = _parts(targets, groups, [1 / folds] * folds, generator(seed, "group folds", repeat))
    rest, test = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
    share = round(n * val) / len(rest)
    rng = generator(seed, "group replicate", replicate)
    inner = _parts(targets[rest], groups[rest], [1 - share, share], rng)
    train, surplus = rest[inner == 0], int(np.bincount(part).max()) - len(test)
    if surplus <= SPARED * n:
        train = np.sort(train[draw_parts(targets[train], (surplus,), rng)[-1]])
    return {"train": train, "val": rest[inner == 1], "test": test}


def grouped_split(
    targets: np.ndarray, groups: np.ndarray, *, val: float, test: float, seed: int
) -> dict[str, np.ndarray]:
    """Split examples once, every group in one part, and the classes spread evenly.

    Args:
        targets: class indices, (n,).
        groups: the group of each example, text or integers, (n,).
        val: the validation fraction of all examples, in [0, 1); 0 makes no such part.
        test: the test fraction of all examples, in [0, 1); 0 makes no such part.
        seed: of the split, >= 0.

    Returns:
        Positions, sorted, for train, val and test, empty where the fraction is 0.

    Raises:
        ValueError: there are too few groups, or one is too large to leave any for a part.
    """
    shares = {name: share for name, share in zip(SPLITS, (1 - val - test, val, test), strict=True) if share > 0}
    part = _parts(targets, groups, list(shares.values()), generator(seed, "group split"))
    found = {name: np.flatnonzero(part == place) for place, name in enumerate(shares)}
    return {name: found.get(name, np.arange(0)) for name in SPLITS}


def spared(pool: Split, splits: Mapping[str, Split], unit: str) -> list[str]:
    """Say how many examples are in no split of a replicate (see `grouped_folds`), in a clause; [] where all are.

    Args:
        pool: all examples.
        splits: of the replicate.
        unit: images or examples.
    """
    unused = len(pool) - sum(map(len, splits.values()))
    why = "so that all replicates train on equally many"
    return [f"{unused:,} of {len(pool):,} {unit} are in no split of this replicate, {why}"] if unused else []


def crossing(groups: np.ndarray, parts: Mapping[str, np.ndarray]) -> dict[str, set[str]]:
    """Find the groups that are in more than one part.

    Args:
        groups: of all examples, (n,).
        parts: name -> positions.

    Returns:
        Group -> the names of its parts, of those that have two or more.
    """
    found: dict[str, set[str]] = {}
    for name, positions in parts.items():
        for group in np.unique(groups[positions]).tolist():
            found.setdefault(str(group), set()).add(name)
    return {group: names for group, names in found.items() if len(names) > 1}


def _parts(targets: np.ndarray, groups: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """The part of each example, 0..P-1, (n,)."""
    names, of_example = np.unique(groups, return_inverse=True)
    if len(names) < len(shares):
        raise ValueError(f"group: {len(names)} groups cannot be split into {len(shares)} parts; add groups")
    classes = np.unique(targets, return_inverse=True)[1]
    counts = np.zeros((len(names), classes.max() + 2))  # (groups, classes and, last, examples)
    np.add.at(counts, (of_example, classes), 1)
    counts[:, -1] = counts[:, :-1].sum(1)
    wanted = np.outer(shares, counts.sum(0))
    wanted[:, -1] = _whole_sizes(wanted[:, -1])
    part = _given_out(counts, wanted, rng)
    _exchange(part, counts[:, -1].astype(np.int64), wanted[:, -1].astype(np.int64))
    if len(np.unique(part)) < len(shares):
        largest = names[counts[:, -1].argmax()]
        raise ValueError(
            f"group: the groups are too large to leave any for each of the {len(shares)} parts; {str(largest)!r} has "
            f"{int(counts[:, -1].max())} of {len(targets)} examples"
        )
    return part[of_example]


def _whole_sizes(sizes: np.ndarray) -> np.ndarray:
    """Sizes rounded to whole numbers that add up to the same."""
    ends = np.rint(np.cumsum(sizes))
    return np.diff(ends, prepend=0)


def _given_out(counts: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each group to a part: sum over classes and size of (found - wanted)^2 / wanted stays smallest.

    Args:
        counts: examples of each class, and in all, (G, C + 1).
        wanted: of each part, (P, C + 1).
        rng: decides the order, and between parts that are as good.

    Returns:
        The part of each group, (G,).
    """
    octave = np.floor(np.log2(counts[:, -1]))  # groups of about one size come in random order
    order = np.lexsort((rng.permutation(len(counts)), -octave))
    missing, scale = wanted.copy(), np.maximum(wanted, 1e-9)
    part = np.empty(len(counts), dtype=np.int64)
    for group in order:
        row = counts[group]
        cost = ((row * (row - 2 * missing)) / scale).sum(1)  # the growth of the sum above
        best = np.flatnonzero(cost <= cost.min() + 1e-9)
        part[group] = rng.choice(best)
        missing[part[group]] -= row
    return part


def _exchange(part: np.ndarray, sizes: np.ndarray, wanted: np.ndarray) -> None:
    """Exchange two groups, or move one, as long as that brings the sizes of two parts nearer to what is wanted."""
    pairs = list(permutations(range(len(wanted)), 2))
    for _ in range(EXCHANGES):
        surplus = np.bincount(part, weights=sizes, minlength=len(wanted)) - wanted
        pairs.sort(key=lambda pair: surplus[pair[1]] - surplus[pair[0]])
        if not any(_moved(part, sizes, *pair, int(surplus[pair[0]] - surplus[pair[1]])) for pair in pairs):
            return


def _moved(part: np.ndarray, sizes: np.ndarray, source: int, sink: int, difference: int) -> bool:
    """Move as nearly half the difference of two parts as their groups allow; whether that brings them nearer."""
    given, taken = _by_size(part, sizes, source), {0: -1, **_by_size(part, sizes, sink)}
    best, (go, back) = difference / 2, (-1, -1)
    for size, group in given.items():
        for other, partner in taken.items():
            if (error := abs(size - other - difference / 2)) < best:
                best, (go, back) = error, (group, partner)
    if go < 0:
        return False
    part[go] = sink
    if back >= 0:
        part[back] = source
    return True


def _by_size(part: np.ndarray, sizes: np.ndarray, which: int) -> dict[int, int]:
    """A group of each size in a part."""
    members = np.flatnonzero(part == which)
    return dict(zip(sizes[members].tolist(), members.tolist(), strict=True))
