"""Whole runs on images on a GPU against a bare loop."""

import argparse
import functools
import tempfile
from pathlib import Path

from benchmarks.figure import Figure, compare
from benchmarks.images import bare_loop, image_fit
from benchmarks.runs import hush
from lossbench.errors import UserError


def figures(given: argparse.Namespace) -> list[Figure]:
    """ResNet-50, 224 px, bf16, channels_last, compiled, on a GPU: whole runs against a bare loop on one batch."""
    import torch

    if not torch.cuda.is_available() and not given.tiny:
        raise UserError("this figure is about a GPU and this machine has none; --tiny runs the same code on a CPU")
    hush()
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for cache in ("gpu", "disk"):
            trained = functools.partial(image_fit, Path(folder), cache, given.tiny)
            found.append(compare(f"train.{cache}", "images/s", trained, lambda: bare_loop(given.tiny), 3, cost=False))
        return found
