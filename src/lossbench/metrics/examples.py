"""What each example contributes to a metric of runs, from their saved outputs. Torch-free at import."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossbench.metrics.registry import METRICS

if TYPE_CHECKING:
    from torch import Tensor


def example_parts(
    name: str,
    outputs: np.ndarray,
    targets: np.ndarray,
    *,
    task: str = "classification",
    scale: float | None = None,
    logits: "Callable[[Tensor], Tensor] | None" = None,
    train_counts: Sequence[int] | None = None,
) -> np.ndarray | None:
    """Compute what each example contributes to a metric: their mean is the metric.

    Exact for means over examples; of others, such as balanced accuracy, the jackknife's pseudo-values.

    Args:
        name: of the metric, without its split.
        outputs: (n, ...) of one run, as predictions.npz has them.
        targets: (n, ...).
        task: of the data set.
        scale: > 0, the inverse temperature of the *_scaled metrics.
        logits: what turns the outputs into logits; None where they are.
        train_counts: training examples of each class, where they are uneven.

    Returns:
        (n,) in the unit of the metric, nan of examples that it leaves out; None where the metric is not one of the
        task, does not apply, or has no parts.

    Raises:
        ValueError: outputs and targets do not fit together.
    """
    import torch

    output = torch.from_numpy(outputs).float()  # saved as float16 where they are large
    output = output if logits is None else logits(output)
    counts = None if train_counts is None else torch.tensor(train_counts)
    found = _parts(name, output[None], torch.from_numpy(targets), task=task, scale=scale, train_counts=counts)
    return None if found is None else found[0]


def parts_of_runs(
    name: str,
    outputs: np.ndarray,
    targets: np.ndarray,
    *,
    task: str = "classification",
    scale: np.ndarray | None = None,
    train_counts: np.ndarray | None = None,
) -> np.ndarray | None:
    """Compute what each example contributes to a metric of K classifiers at once, as `example_parts` does of each.

    Args:
        name: of the metric, without its split.
        outputs: (K, n, C) logits.
        targets: (K, n).
        task: of the data set, whose examples have one class each.
        scale: (K,), > 0.
        train_counts: (K, C), where they are uneven.

    Returns:
        (K, n); None where `example_parts` has none.

    Raises:
        ValueError: outputs and targets do not fit together.
    """
    import torch

    logits, factors = torch.from_numpy(outputs).float(), None if scale is None else torch.from_numpy(scale)
    counts = None if train_counts is None else torch.from_numpy(train_counts)
    return _parts(name, logits, torch.from_numpy(targets), task=task, scale=factors, train_counts=counts)


def _parts(
    name: str,
    output: "Tensor",
    target: "Tensor",
    *,
    task: str,
    scale: "Tensor | float | None",
    train_counts: "Tensor | None",
) -> np.ndarray | None:
    """Of K runs, (K, n)."""
    import torch

    from lossbench.metrics.measure import view

    definition = METRICS.get(name)
    if definition is None or task not in definition.tasks:
        return None
    with torch.no_grad():
        seen = view(output, target, task=task, scale=scale, train_counts=train_counts)
        estimate = definition.function(seen)
        if estimate is None or estimate.parts is None:
            return None
        return estimate.parts().double().numpy()
