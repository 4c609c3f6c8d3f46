"""What the rest relies on: the arrays, classes and ids of a data set, checked in one line each. Torch-free."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np

from lossbench.data.source import Source
from lossbench.data.split import OF_CLASSES, ONE_CLASS, Split

RESERVED = (
    "replicate",
    "folds",
    "published_test",
    "pool",
    "draw",
    "strata",
    "pictures",
    "about",
    "own_names",
    "in_order",
)
"""Names of `Source` that no setting of a data set may have."""


def check_splits(source: Source) -> None:
    """Check that the splits of a data set are what the rest relies on.

    Raises:
        ValueError: one line that names the split and the array, what was found and what is expected.
    """
    _check_outputs(source)
    if source.replicate is not None:
        _check_ids(source.pool())
    if not isinstance(source.unchanged, Mapping):
        source.check_examples(source.unchanged)
    source.check_examples(source.splits)


def check_settings(source: Source) -> None:
    """Refuse settings that have the names of what replicates are made of.

    Raises:
        ValueError: names the setting.
    """
    for each in fields(source) if is_dataclass(source) else ():
        if each.name in RESERVED:
            raise ValueError(f"{each.name} is a name of lossbench.data.source.Source; give the setting another")


def _check_ids(pool: Split) -> None:
    """Require ids that tell the examples of a pool apart, because replicates are paired by them."""
    ids, counts = np.unique(pool.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"load(): replicate= needs ids that differ between all examples of train, val and test, and "
            f"{str(ids[counts.argmax()])!r} is there {counts.max()} times; put the split into the id, such as train-0"
        )


def _check_outputs(source: Source) -> None:
    if source.num_outputs < 1:
        what = "class_names must name" if source.task in OF_CLASSES else "outputs must count"
        raise ValueError(f"{what} what the model gives, one number or more, got {source.num_outputs}")
    if source.task in ONE_CLASS and source.num_classes < 2:
        where = f"root={getattr(source, 'root', None)} holds" if hasattr(source, "root") else "class_names name"
        raise ValueError(f"{where} one class alone, {source.class_names[0]}; a classifier needs two or more")
