"""What a diverged run scores: what guessing scores, else the worst score of the study."""

from collections.abc import Sequence

import numpy as np

from lossbench.metrics.registry import METRICS, ONE_CLASS
from lossbench.report.examples import Outputs, Parts

PAIRS = "pair_accuracy"


def is_guessable(metric: str) -> bool:
    """Whether guessing has a score: of shares of right answers."""
    definition = METRICS.get(metric.rpartition("/")[2])
    return definition is not None and definition.unit == "%"


def guessed(metric: str, outputs: Outputs) -> Parts | None:
    """What each example contributes to the score of guessing: the classes ranked by how often they occur.

    Accuracy is then the share of the largest class, balanced accuracy 1 / classes. Of pairs and triplets it is 1/2. Of
    several labels, those that more than half of the examples have are predicted.

    Args:
        metric: such as test/accuracy.
        outputs: of any run on the same examples.

    Returns:
        The parts; None where nothing is known of guessing this metric.
    """
    from lossbench.metrics.examples import example_parts

    name, n = metric.rpartition("/")[2], len(outputs.ids)
    if name == PAIRS:
        return Parts(outputs.ids, np.full(n, 0.5))
    if outputs.outputs.ndim != 2:
        return None
    if outputs.targets.shape == outputs.outputs.shape:
        above_half = np.tile(outputs.targets.mean(0, dtype=np.float32) - 0.5, (n, 1))
        found = example_parts(name, above_half, outputs.targets, task="multi_label")
        return None if found is None else Parts(outputs.ids, found)
    if outputs.targets.ndim != 1:
        return None
    counts = np.bincount(outputs.targets, minlength=outputs.outputs.shape[1]).astype(np.float32)
    task = next((each for each in ONE_CLASS if each in METRICS[name].tasks), "classification")
    values = example_parts(name, np.tile(counts, (n, 1)), outputs.targets, task=task)
    return None if values is None else Parts(outputs.ids, values)


def without_outputs(metric: str, classes: int) -> float | None:
    """The score of guessing one of several classes, where nothing is known of the examples."""
    name = metric.rpartition("/")[2]
    share = {"accuracy": 1.0, "balanced_accuracy": 1.0, "error_rate": classes - 1.0}.get(name)
    return None if share is None or classes == 0 else share / classes


def worst(scores: Sequence[float], *, higher_is_better: bool) -> float:
    """The worst of some finite scores, at least one."""
    return min(scores) if higher_is_better else max(scores)
