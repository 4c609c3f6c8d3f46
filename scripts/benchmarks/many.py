"""What `bench.py sweep` measures: many runs through the vectorised launcher against one run after another."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.runs import plan_words, steps_per_second
from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.config.sections import Optimizer
from lossbench.hardware import cores
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

TOY = ("data=toy", "data.init=random", "trainer=cpu", "progress_bar=false")


def toy_training(runs: int, engine: str | None = None, *, built: bool = True) -> float:
    """Train so many toy runs of 5,000 steps as one stack; give seconds a run.

    Args:
        runs: their number.
        engine: how a step is computed; None is as the stack chooses.
        built: whether the step is built, and compiled, before the time counts.
    """
    import torch

    from lossbench.training.assemble import assemble
    from lossbench.vectorized.shared import Shared
    from lossbench.vectorized.train import StackedRuns

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        first = plan_words([*TOY, "loss=cosine_prob", *made_in(folder)]).config
        configs = [
            replace(first, seed=k, loss=Node({**first.loss.record, "alpha": 0.2 + 0.6 * k / runs})) for k in range(runs)
        ]
        stacked = StackedRuns(configs, Shared(assemble(first)), torch.device("cpu"))
    stacked.stack.engine = engine
    if built:
        stacked.stack.train_step()
    start = time.perf_counter()
    stacked.train(lambda: None, lambda: None, lambda steps: None)
    return (time.perf_counter() - start) / runs


def toy_compiling(runs: int) -> float:
    """The same in an empty cache folder, compiling included."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, LOSSBENCH_CACHE=folder):
        return toy_training(runs, built=False)


def toy_sweep(runs: int, vectorized: bool) -> float:
    """Compose, plan, train, measure and write a sweep of toy runs, without the report; give seconds a run."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from lossbench.config.composition import hydra_started
    from lossbench.launch.local import run_here
    from lossbench.launch.sweep import sweep
    from lossbench.vectorized.launch.stacks import run_stacked

    launch: Callable[[Sequence[RunDirectory], SweepProgress], None] = run_stacked if vectorized else run_here
    with tempfile.TemporaryDirectory() as folder, hydra_started():
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("train", [], RunMode.MULTIRUN, from_shell=False)
        words = [*TOY, f"runs_dir={folder}", "loss=cosine_prob", f"seed=range({runs})"]
        start = time.perf_counter()
        sweep(words, loader, master, launch, None, ["bench.py"], lambda config: None)
        return (time.perf_counter() - start) / runs


def heads(runs: int, steps: int) -> float:
    """Train linear heads on 5,912 x 512 features, 37 classes, batches of 64; give run-steps per second."""
    import torch

    from lossbench.vectorized.shared import Shared
    from lossbench.vectorized.train import StackedRuns

    with tempfile.TemporaryDirectory() as folder:
        config, parts = head_parts(Path(folder), steps)
    rates = [Optimizer({**config.optimizer.record, "lr": 1e-3 * (1 + k / runs)}) for k in range(runs)]
    configs = [replace(config, seed=k, optimizer=rate) for k, rate in enumerate(rates)]
    torch.set_num_threads(cores())  # as the launcher does where there is much to compute
    stacked = StackedRuns(configs, Shared(parts), torch.device("cpu"))
    stacked.stack.train_step()
    start = time.perf_counter()
    for _ in range(steps):
        stacked.stack.train_step()
    return runs * steps / (time.perf_counter() - start)


def one_head(steps: int) -> float:
    """Fit one such head as train.py does; give steps per second."""
    with tempfile.TemporaryDirectory() as folder:
        run = plan_words([*head_words(steps), *made_in(folder)])
        return steps_per_second(run, head_parts(Path(folder), steps)[1], steps)


def made_in(folder: str | Path) -> tuple[str, ...]:
    """Where a run lies, and that it is made anew."""
    return f"runs_dir={folder}", "force=true"


def head_words(steps: int) -> tuple[str, ...]:
    """A linear head on features, as far as words can say it."""
    return (
        "data=digits",
        "model=linear",
        "loss=cross_entropy",
        f"trainer.max_steps={steps}",
        "trainer.max_epochs=1000",
        "trainer=cpu",
    )


def head_parts(folder: Path, steps: int) -> tuple[RunConfig, Any]:
    """The configuration and the objects of a linear head on random features."""
    from lossbench.data.module import DataModule
    from lossbench.data.source import Split
    from lossbench.training.assemble import assemble
    from lossbench.training.features.source import FeatureSource
    from lossbench.training.modules import build_model

    config = plan_words([*head_words(steps), *made_in(folder)]).config
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        features, targets = rng.standard_normal((n, 512), dtype=np.float32), rng.integers(37, size=n)
        return Split(features, targets, np.arange(n).astype(str))

    source = FeatureSource({"train": split(5912), "val": split(64), "test": split(64)}, tuple(map(str, range(37))))
    model = build_model(config, source.input_shape, source.num_classes)
    data = DataModule(source, config.seed, batch_size=64)
    return config, replace(
        assemble(config),
        model=model,
        source=source,
        data=data,
        steps_per_epoch=data.batches().steps_per_epoch,
        total_steps=steps,
    )
