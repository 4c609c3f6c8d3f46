"""Settings that have no effect in a run as it is: legal, so that a sweep may hold them, but said at the start."""

from collections.abc import Iterator

from lossbench.config.schema import RunConfig
from lossbench.training.assemble import Parts


def notices(config: RunConfig, parts: Parts) -> Iterator[str]:
    """Name the settings of a run that have no effect, a line each."""
    batch, examples, trainer = config.data.batch_size, len(parts.data.split("train")), config.trainer
    if batch > examples:
        yield f"data.batch_size={batch} is more than the {examples:,} training examples: every update uses all of them"
    warmup = config.scheduler.settings.get("warmup_epochs") or 0
    if warmup * parts.steps_per_epoch > parts.total_steps:
        epochs = parts.total_steps / parts.steps_per_epoch
        yield f"scheduler.warmup_epochs={warmup:g} is longer than the run of {epochs:g} epochs: it ends in the warm-up"
    stopping = config.callbacks.get("early_stopping")
    if stopping is not None and (patience := stopping.settings.get("patience", 3)) >= trainer.max_epochs:
        yield f"callbacks.early_stopping.patience={patience} stops no run of {trainer.max_epochs} epochs"
    if trainer.sync_batchnorm and trainer.processes == 1:
        yield "trainer.sync_batchnorm=true has no effect in one process"
