"""What each example contributes to a run's score, from its predictions.npz."""

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from lossbench.errors import UserError
from lossbench.metrics.registry import METRICS, ONE_CLASS
from lossbench.report.records import Record
from lossbench.rundir.arrays import open_arrays, require_stages
from lossbench.rundir.directory import RunDirectory

WITHOUT = "its comparisons do not cover other examples"
OWN_LOSSES = "lossbench.losses."
ROUNDING = {"float16": 5e-3}  # relative; of saved outputs
AT_MOST = 1e-4


Logits = Callable[[Any], Any]
"""What turns outputs into logits: tensors to tensors."""


class Outputs(NamedTuple):
    """The saved outputs of a run on a split: (n, ...), (n, ...), and (n,) names of the examples."""

    outputs: np.ndarray
    targets: np.ndarray
    ids: np.ndarray


class Parts(NamedTuple):
    """What each example contributes to a score: (n,) names of the examples, (n,) numbers whose mean is the score."""

    ids: np.ndarray
    values: np.ndarray


def read_outputs(run: Record, split: str, way_out: str = WITHOUT) -> Outputs | None:
    """Read the outputs of a run on a split; None where they were not saved.

    Args:
        run: done.
        split: val or test.
        way_out: what becomes of the report where the file is damaged.

    Raises:
        DamagedError: predictions.npz is damaged.
    """
    path = run.predictions_path
    if not os.path.lexists(path):
        return None
    with open_arrays(path, way_out) as arrays:
        require_stages(arrays, split)
        return Outputs(*(arrays[f"{split}_{what}"] for what in ("outputs", "targets", "ids")))


class RunOutputs:
    """The saved outputs of one run, each split read once however many metrics need it.

    Args:
        run: done.
    """

    def __init__(self, run: Record) -> None:
        self.run = run
        self.together: dict[str, np.ndarray] = {}
        """Metric -> what each example contributes if the outputs are logits, where it was computed with other runs'."""
        self._read: dict[str, Outputs | None] = {}

    def of(self, split: str) -> Outputs | None:
        """The outputs on val or test; None where they were not saved.

        Raises:
            DamagedError: predictions.npz is damaged.
        """
        if split not in self._read:
            self._read[split] = read_outputs(self.run, split)
        return self._read[split]


def read_parts(outputs: RunOutputs, metric: str) -> Parts | str:
    """Compute what each example contributes to a metric of a run that is done.

    Args:
        outputs: of the run.
        metric: such as test/accuracy.

    Returns:
        The parts, whose mean is the metric as result.json has it; else why there are none.

    Raises:
        DamagedError: predictions.npz is damaged.
    """
    split, _, name = metric.partition("/")
    if name not in METRICS:
        return f"{metric} is not split up by example"
    run, found = outputs.run, outputs.of(split)
    if found is None:
        return f"{run.path} has no predictions.npz"
    for values in _candidates(run, name, found, outputs.together.get(metric)):
        if values is not None and agrees(run, metric, float(np.nanmean(values))):
            return Parts(found.ids, values)
    return f"the outputs in {run.path} do not give its {metric} again"


def agrees(run: Record, metric: str, value: float) -> bool:
    """Whether a number computed from the saved outputs of a run is its metric, but for their rounding."""
    score = run.metrics.get(metric)
    tolerance = ROUNDING.get(run.done_result.predictions, AT_MOST)
    return score is not None and abs(value - score) <= tolerance * max(1.0, abs(score))


def _candidates(run: Record, name: str, found: Outputs, together: np.ndarray | None) -> Iterator[np.ndarray | None]:
    """The parts, were the outputs those of each task that has the metric; then those of what its loss makes of them."""
    first, *others = METRICS[name].tasks
    yield _parts(run, name, found, first, None) if together is None else together
    for task in others:
        yield _parts(run, name, found, task, None)
    of_one_class = [task for task in METRICS[name].tasks if task in ONE_CLASS]
    if of_one_class and (logits := _logits_of_loss(run)) is not None:
        yield _parts(run, name, found, of_one_class[0], logits)


def _parts(run: Record, name: str, found: Outputs, task: str, logits: Logits | None) -> np.ndarray | None:
    from lossbench.metrics.examples import example_parts

    result = run.done_result
    scale, counts = (result.scale, result.facts.get("class_counts")) if task in ONE_CLASS else (None, None)
    try:
        return example_parts(
            name, found.outputs, found.targets, task=task, scale=scale, logits=logits, train_counts=counts
        )
    except ValueError:  # outputs of another task
        return None


def _logits_of_loss(run: Record) -> Logits | None:
    """What a loss of lossbench turns outputs into; a user's own file is not executed for a report."""
    from lossbench.config.build import build
    from lossbench.config.class_weights import without_weights

    try:
        node: Any = RunDirectory(run.path).record.get("loss")
        if not str(node["_target_"]).startswith(OWN_LOSSES):
            return None
        return build(without_weights(node), "loss", offer={"num_classes": len(run.done_result.classes)}).logits
    except (UserError, TypeError, KeyError):  # no such record, or a loss that needs the data
        return None
