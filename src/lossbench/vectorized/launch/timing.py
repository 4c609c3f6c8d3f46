"""What a stack takes, from a few updates of a few of its runs; nothing is written."""

import time
from collections.abc import Callable, Sequence

import torch

from lossbench.config.schema import RunConfig
from lossbench.training.assemble import assemble
from lossbench.training.features.source import random_features
from lossbench.vectorized.engine.step.choice import EAGER
from lossbench.vectorized.group import threads_of
from lossbench.vectorized.launch.divide import in_order
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns, validates_epochs

TRIED, FEW, STEPS = 128, 4, 4
"""Runs that are timed, the part of them that is timed beside, and updates."""
NUMBERS = 2**24
"""Parameters of the runs that are timed, at most: more than the processor's caches hold, less than memory."""


def time_stack(configs: Sequence[RunConfig]) -> float:
    """Time a few of some runs that are stacked; of images on random numbers in place of their features.

    Args:
        configs: of the runs, all of one group.

    Returns:
        Seconds that all of them take, without computing features; what more runs add is seen on two numbers of them: on
        a GPU that has room left it is nothing.
    """
    ordered = [configs[k] for k in in_order(configs)]
    shared = Shared(assemble(configs[0], random_features))
    parameters = sum(parameter.numel() for parameter in shared.parts.model.parameters())
    tried = ordered[:: -(-len(configs) // max(FEW, min(TRIED, NUMBERS // max(parameters, 1))))]
    device = torch.device("cuda" if configs[0].trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    with threads_of(configs[0], shared, len(configs)):
        seconds = _whole(tried, shared, device)
        if len(configs) == len(tried):
            return seconds
        few = tried[::FEW]
        added = (seconds - _whole(few, shared, device)) / (len(tried) - len(few))
    return seconds + max(added, 0.0) * (len(configs) - len(tried))


def _whole(configs: Sequence[RunConfig], shared: Shared, device: torch.device) -> float:
    """What a stack takes from its first step to its last evaluation, from a few updates and one evaluation."""
    stacked, parts = StackedRuns(configs, shared, device), shared.parts
    stacked.stack.engine = EAGER  # compiled, it would take less; what compiling takes is not worth an estimate
    start = _seconds(lambda: _update_and_evaluation(stacked), device)  # each loss is traced once
    update, evaluation = _update_and_evaluation(stacked)
    epochs = -(-parts.total_steps // parts.steps_per_epoch) if validates_epochs(configs[0]) else 1
    return start + update * parts.total_steps + evaluation * (epochs + len(configs[0].stages))


def _update_and_evaluation(stacked: StackedRuns) -> tuple[float, float]:
    """What an update takes, and an evaluation, s."""
    updates = _seconds(lambda: [stacked.stack.train_step() for _ in range(STEPS)], stacked.device)
    return updates / STEPS, _seconds(lambda: stacked.evaluations("val"), stacked.device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """What some work takes, until the device has done it."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
