"""What each example contributes to a metric of many runs, computed of many at once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from lossbench.metrics.registry import METRICS, ONE_CLASS
from lossbench.report.arms import Arm
from lossbench.report.examples import Outputs, RunOutputs
from lossbench.rundir.reading import DamagedError

MOST_RUNS = 100
MOST_NUMBERS = 2**22  # outputs held at a time: 16 MB as float32


def each_outputs(arm: Arm, metrics: Iterable[str]) -> Iterator[tuple[int, RunOutputs]]:
    """Read the saved outputs of an arm's runs, some of them ahead, and compute their parts together.

    Args:
        arm: with runs that are done.
        metrics: such as test/accuracy.

    Returns:
        Each unit with the outputs of its run, in the order of the runs.
    """
    ahead = [metric for metric in metrics if _task(metric) in ONE_CLASS]
    waiting, numbers = dict[int, RunOutputs](), 0
    for unit, run in arm.runs.items():
        waiting[unit] = RunOutputs(run)
        numbers += _size(waiting[unit], {_split(metric) for metric in ahead})
        if len(waiting) == MOST_RUNS or numbers > MOST_NUMBERS:
            yield from _computed(waiting, ahead)
            waiting, numbers = {}, 0
    yield from _computed(waiting, ahead)


def _size(outputs: RunOutputs, splits: Iterable[str]) -> int:
    found = (_found(outputs, split) for split in splits)
    return sum(each.outputs.size for each in found if each is not None)


def _computed(outputs: dict[int, RunOutputs], metrics: Iterable[str]) -> Iterable[tuple[int, RunOutputs]]:
    for metric in metrics:
        compute_together([*outputs.values()], metric)
    return outputs.items()


def compute_together(outputs: Iterable[RunOutputs], metric: str) -> None:
    """Compute the parts of classifiers' logits, of all runs of one shape at once; `read_parts` finds them there.

    Args:
        outputs: of runs that are done; what are not logits is left to `read_parts`.
        metric: of classifiers, such as test/accuracy.
    """
    alike: dict[object, list[tuple[RunOutputs, Outputs]]] = {}
    for each in outputs:
        if (found := _found(each, _split(metric))) is not None:
            alike.setdefault(_form(each, found), []).append((each, found))
    for group in alike.values():
        _compute(group, metric)


def _split(metric: str) -> str:
    return metric.partition("/")[0]


def _task(metric: str) -> str:
    """The first task that has the metric; empty where none has it."""
    definition = METRICS.get(metric.partition("/")[2])
    return definition.tasks[0] if definition else ""


def _found(outputs: RunOutputs, split: str) -> Outputs | None:
    try:
        return outputs.of(split)
    except DamagedError:  # `read_parts` says so where its turn comes
        return None


def _form(outputs: RunOutputs, found: Outputs) -> object:
    """What is the same of runs that can be computed together."""
    result, arrays = outputs.run.done_result, (found.outputs, found.targets)
    counts = result.facts.get("class_counts")
    forms = tuple((array.shape, array.dtype) for array in arrays)
    return forms, result.scale is None, None if counts is None else len(counts)


def _compute(group: Sequence[tuple[RunOutputs, Outputs]], metric: str) -> None:
    from lossbench.metrics.examples import parts_of_runs

    results = [each.run.done_result for each, _ in group]
    scales, counts = [each.scale for each in results], [each.facts.get("class_counts") for each in results]
    try:
        parts = parts_of_runs(
            metric.partition("/")[2],
            np.stack([found.outputs for _, found in group]),
            np.stack([found.targets for _, found in group]),
            task=_task(metric),
            scale=_array(scales),
            train_counts=_array(counts),
        )
    except ValueError:  # of another task; or of one of them, which `read_parts` finds
        return
    if parts is not None:
        for (each, _), values in zip(group, parts, strict=True):
            each.together[metric] = values


def _array(values: Sequence[Any]) -> np.ndarray | None:
    """One value a run; None where runs have none, which is so of all that are alike."""
    return None if None in values else np.array(values)
