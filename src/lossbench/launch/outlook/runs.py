"""The runs of a command, and which of them are done already. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossbench.config.facts import Cache
from lossbench.config.schema import REPLICATE, RunConfig
from lossbench.data.order import TrainBatches
from lossbench.data.source import Source
from lossbench.rundir.planning import find
from lossbench.rundir.reading import DamagedError

State = Literal["done", "to do", "invalid", "damaged"]


@dataclass(frozen=True)
class Run:
    """A run that is checked, and where it stands.

    Args:
        config: resolved.
        runs_dir: where it lies.
        state: whether it is done already.
    """

    config: RunConfig
    runs_dir: Path
    state: State


@dataclass(frozen=True)
class Sizes:
    """How much a run trains and measures.

    Args:
        examples: split -> number of examples.
        steps: updates in all.
        epochs: epochs in all.
        pool: test examples of all replicates together.
        folds: replicates whose test parts are disjoint and cover the pool; None where all test on one part.
    """

    examples: dict[str, int]
    steps: int
    epochs: int
    pool: int
    folds: int | None

    def tested(self, units: int) -> int:
        """Distinct test examples of so many replicates or seeds."""
        return self.pool if self.folds is None else min(self.pool, self.pool * units // self.folds)


def look_up(config: RunConfig, runs_dir: Path, *, force: bool) -> Run:
    """Say where a run stands; with force a done one is to be done again."""
    if config.invalid is not None:
        return Run(config, runs_dir, "invalid")
    try:
        done = find(config, runs_dir).result() is not None
    except DamagedError:
        return Run(config, runs_dir, "to do" if force else "damaged")
    return Run(config, runs_dir, "done" if done and not force else "to do")


class SizeOf:
    """Count examples and updates of runs; once for all that differ in the replicate, the seed or the loss alone.

    Args:
        cache: of data sets.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache, self._known = cache, dict[object, Sizes]()

    def __call__(self, config: RunConfig) -> Sizes:
        """Give the sizes of a run."""
        trainer = config.trainer
        data = tuple(sorted((key, repr(value)) for key, value in config.record["data"].items() if key != REPLICATE))
        key = (data, config.kind, trainer.processes, trainer.accumulate_grad_batches)
        key = (*key, trainer.max_epochs, trainer.max_steps)
        if key not in self._known:
            self._known[key] = _sizes_of(config, self.cache.source(config.data.source))
        return self._known[key]


def _sizes_of(config: RunConfig, source: Source) -> Sizes:
    data, trainer = config.data, config.trainer
    examples = _examples(config, {name: len(split) for name, split in source.splits.items()})
    order = TrainBatches(
        examples["train"],
        data.batch_size,
        config.seed,
        steps_per_epoch=data.steps_per_epoch,
        world=trainer.processes,
        accumulate=trainer.accumulate_grad_batches,
    )
    steps = trainer.max_epochs * order.steps_per_epoch
    steps = min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps
    folds = source.folds if config.replicate is not None else None
    pool = examples["test"] if folds is None else len(source.pool())
    return Sizes(examples, steps, -(-steps // order.steps_per_epoch), pool, folds)


def _examples(config: RunConfig, whole: dict[str, int]) -> dict[str, int]:
    """How many examples of each split are used."""
    data, examples = config.data, dict(whole)
    if overfit := data.overfit_batches:
        examples |= dict.fromkeys(("train", "val"), min(whole["train"], overfit * data.batch_size))
    if limit := data.limit_eval_batches:
        examples |= {name: min(examples[name], limit * data.batch_size) for name in ("val", "test")}
    return examples


def counts(runs: Sequence[Run], repeated: int) -> str:
    """Count the runs by where they stand: "12 runs: 4 done already, 8 to do, 2 invalid"."""
    number = {state: sum(run.state == state for run in runs) for state in ("done", "to do", "invalid", "damaged")}
    rest = [f"{number[state]} {state}" for state in ("invalid", "damaged") if number[state]]
    rest += [f"{repeated} more are the same as one of them"] if repeated else []
    total = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}"
    return ", ".join([f"{total}: {number['done']} done already", f"{number['to do']} to do", *rest])
