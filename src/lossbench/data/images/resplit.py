"""The splits of a replicate of a folder of images: repeated stratified folds, class by class. Torch-free."""

from collections.abc import Mapping, Sequence

import numpy as np

from lossbench.data.folds import draw_parts, fold_parts
from lossbench.data.images.subset import hold_out
from lossbench.errors import some
from lossbench.seeds import generator


def resplit(
    targets: np.ndarray,
    replicate: int,
    *,
    folds: int,
    val_fraction: float,
    seed: int,
    classes: Sequence[str],
    per_class: int | None = None,
    may_be_short: bool = False,
) -> Mapping[str, np.ndarray]:
    """Split a pool of images for one replicate; train and val are as large for every replicate.

    Args:
        targets: class indices, (n,).
        replicate: r >= 0.
        folds: k; a replicate is tested on one k-th of the pool.
        val_fraction: share of what is not tested that is held out for validation, in (0, 1).
        seed: of the split, >= 0.
        classes: the names of the classes.
        per_class: images of each class to learn and choose from (train and val together), nested; None takes all.

    Returns:
        Positions, sorted, for train, val and test.

    Raises:
        ValueError: a class has too few images, or a fraction leaves no images for a split.
    """
    left = _require_enough(targets, folds, classes, None if may_be_short else per_class)
    rest, test = fold_parts(targets, replicate, folds=folds, seed=seed)
    rng = generator(seed, "replicate", replicate)
    if per_class is None:
        learn = len(targets) - -(-len(targets) // folds)  # smaller folds leave one more, which is not used
        n_val = round(val_fraction * learn)
        val, _, train = draw_parts(targets[rest], (n_val, len(rest) - learn), rng)
    else:
        (ranked,) = draw_parts(targets[rest], (), rng)
        train, val = _hold_out_of_each(targets[rest], ranked, np.minimum(left, per_class), val_fraction)
    for name, part in (("train", train), ("val", val)):
        if not len(part):
            raise ValueError(f"val_fraction={val_fraction} leaves no {name} images in classes of this size")
    return {"train": np.sort(rest[train]), "val": np.sort(rest[val]), "test": test}


def _hold_out_of_each(
    targets: np.ndarray, ranked: np.ndarray, numbers: np.ndarray, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take the first so many of each class, and an even share out of them: of more, fewer are a subset in both parts.

    Args:
        targets: class indices, (n,).
        ranked: positions in random order.
        numbers: how many of each class, (C,).
        fraction: the share to take out, in (0, 1).
    """
    kept, taken = list[int](), list[int]()
    for label in np.unique(targets[ranked]).tolist():
        members = ranked[targets[ranked] == label][: numbers[label]].tolist()
        for part, more in zip((kept, taken), hold_out(members, fraction), strict=True):
            part += more
    return np.array(kept, dtype=np.int64), np.array(taken, dtype=np.int64)


def _require_enough(targets: np.ndarray, folds: int, classes: Sequence[str], per_class: int | None) -> np.ndarray:
    """Require of every class an image to learn from where another one is tested, and as many as are asked for.

    Returns:
        How many of each class are left in every replicate, (C,).

    Raises:
        ValueError: names the classes that have fewer.
    """
    counts = np.bincount(targets, minlength=len(classes))
    if alone := [classes[i] for i in np.flatnonzero(counts < 2).tolist()]:
        raise ValueError(
            "root: replicate= needs two readable images or more of each class, one to learn from where the other is "
            f"tested; {some(alone)}: add images, or remove the class"
        )
    left = counts - -(-counts // folds)
    least = int(left.argmin())
    if per_class is not None and per_class > left[least]:
        raise ValueError(
            f"images_per_class must be <= {left[least]} with replicate= (class {classes[least]} has {counts[least]} "
            f"images, of which {counts[least] - left[least]} are tested), got {per_class}; images_per_class=null takes "
            "all"
        )
    return left
