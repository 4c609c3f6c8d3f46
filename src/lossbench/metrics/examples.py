"""What each example contributes to a metric of one run, from its saved outputs. Torch-free at import."""

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

    from lossbench.metrics.measure import view

    definition = METRICS.get(name)
    if definition is None or task not in definition.tasks:
        return None
    output = torch.from_numpy(outputs).float()  # saved as float16 where they are large
    output = output if logits is None else logits(output)
    with torch.no_grad():
        counts = None if train_counts is None else torch.tensor(train_counts)
        seen = view(output[None], torch.from_numpy(targets), task=task, scale=scale, train_counts=counts)
        estimate = definition.function(seen)
        if estimate is None or estimate.parts is None:
            return None
        return estimate.parts()[0].double().numpy()
