"""Outputs of models, drawn at random."""

import torch
from torch import Tensor

from lossbench.metrics.estimates import Metric
from lossbench.metrics.measure import metrics_of


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def judge(task: str, output: Tensor, target: Tensor) -> dict[str, Metric]:
    """The metrics of one run."""
    return metrics_of(output, target, task=task)


def example(n: int = 400, classes: int = 8, seed: int = 0, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    drawn = torch.multinomial((logits / 2).softmax(1), 1, generator=generator).squeeze(1)
    return logits, drawn


def values(logits: Tensor, target: Tensor, scale: float | None = None) -> dict[str, float]:
    return {name: metric.value for name, metric in metrics_of(logits, target, scale=scale).items()}


def covered(metric: Metric, truth: float) -> bool:
    assert metric.half_width is not None
    return abs(metric.value - truth) <= metric.half_width
