"""Every loss of classes against cross-entropy."""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.figure import Figure, compare
from lossbench.config.composition import conf_folder


def figures(given: argparse.Namespace) -> list[Figure]:
    """Forward and backward of every loss of classes at (256, 1000) against F.cross_entropy, in us on one thread."""
    import torch
    from torch.nn import functional as F

    from lossbench.atlas.catalog import registered
    from lossbench.hardware import keep_freed_memory
    from lossbench.losses.outputs import HeadOutput

    keep_freed_memory()  # as in every run; without it page faults are most of both times
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logits = torch.randn(256, 1000, requires_grad=True)
    second = torch.randn(256, 1000, requires_grad=True)
    features, classes = (F.normalize(torch.randn(n, 1000), dim=-1) for n in (256, 1000))
    cosines = (features @ classes.T).requires_grad_()
    target = torch.randint(1000, (256,))

    def timer(function: Callable[[], Any]) -> Callable[[], float]:
        def measure() -> float:
            times = []
            for _ in range(10):
                logits.grad = second.grad = cosines.grad = None
                start = time.perf_counter()
                function().backward()
                times.append(time.perf_counter() - start)
            return statistics.median(times) * 1e6

        for _ in range(5):
            measure()
        return measure

    found = []
    for name, entry in registered(conf_folder() / "loss").items():
        if "classification" not in entry.tasks:
            continue
        loss = entry.make()
        output = cosines if loss.takes_cosines else HeadOutput(second, logits) if entry.head else logits
        ours, reference = (
            timer(lambda loss=loss, output=output: loss(output, target)),
            timer(lambda: F.cross_entropy(logits, target)),
        )
        found.append(compare(f"losses.{name}", "us", ours, reference, 40, cost=True))
    return found
