"""Which examples of other data a run was trained on, by their content."""

from collections.abc import Callable

import numpy as np

from lossbench.data.module import DataModule
from lossbench.data.source import Source, Split
from lossbench.trained.loaded import LoadedRun


def count_trained_on(run: LoadedRun, data: DataModule, split: str) -> int:
    """Count the examples of a split of other data that were in the run's training split.

    Args:
        run: a trained run.
        data: other data; those of another kind of source share no example.
        split: train, val or test.
    """
    ours, theirs = run.parts.source, data.source
    if type(theirs) is not type(ours):
        return 0
    trained = {*_contents(ours, ours.splits["train"])}
    return sum(content in trained for content in _contents(theirs, data.split(split)))


def _contents(source: Source, split: Split) -> list[object]:
    """What tells each example from others: a hash of its image or its row, or its numbers."""
    digests: Callable[[Split], np.ndarray] | None = getattr(source, "digests", None)
    return digests(split).tolist() if digests else [row.tobytes() for row in split.inputs]
