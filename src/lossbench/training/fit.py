"""Run a run directory: config -> objects -> fit -> validate and test -> files."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.data.source import Source
from lossbench.hardware import forget_peak_memory, keep_freed_memory
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.history import History
from lossbench.rundir.result import Measured, Result, Training
from lossbench.training.assemble import Parts, assemble, build_task
from lossbench.training.checkpoints import AGAIN, ANEW, give_weights, link_best, read_weights
from lossbench.training.evaluation import Output, measured
from lossbench.training.last_and_best import last_and_best_of
from lossbench.training.machine import check_hardware, quiet, threads
from lossbench.training.notices import notices
from lossbench.training.predictions import save_predictions
from lossbench.training.resuming import name_damage, read_last, require_unfinished
from lossbench.training.rows import RunClock
from lossbench.training.stopping import StopSignals
from lossbench.training.task import TrainingTask
from lossbench.training.trainer import make_trainer
from lossbench.training.try_out import softened, try_model
from lossbench.training.update import is_mean_of_parts

log = logging.getLogger(__name__)

EXAMPLES = 8  # on which a loss of parts is compared with that of the whole


def execute(run: RunDirectory, stop_signals: StopSignals, *, rank: int = 0, srun_task: bool = False) -> Result:
    """Train, validate and test what a run directory describes, from its last checkpoint if there is one.

    Args:
        run: a planned, locked and verified directory.
        stop_signals: a signal that has come ends the training at the end of a step.
        rank: of this process; 0 owns the directory.
        srun_task: whether srun started this process as one of several.

    Returns:
        What result.json holds (on every rank).

    Raises:
        UserError: the configuration cannot be run here, or the training became non-finite.
    """
    config, started = run.config, time.perf_counter()
    with stop_signals.stops_at_once():
        parts = prepared(config, rank)
    if rank == 0:
        warn_of_float16(config, parts)
        warn_of_parts(config, parts)
        print_notices(config, parts)
    prepare_model(config, parts)
    resumed = read_last(run.checkpoint("last")) if os.path.lexists(run.checkpoint("last")) else None
    if resumed is not None and resumed["is_best"] and rank == 0:
        link_best(run)  # the run may have died before it could
    clock = RunClock(started, resumed.get("seconds", 0.0) if resumed is not None else 0.0)
    with stop_signals.stops_if_urgent(), threads(config, parts), quiet(), history_of(run, resumed, rank) as history:
        task = build_task(config, parts)
        trainer = make_trainer(config, run, parts, history, resumed, stop_signals, clock, srun_task=srun_task)
        train_and_judge(trainer, task, parts, run, resumed, stop_signals)
        measured = measured_of(trainer, task, parts, run)
        if history is not None:
            history.flush()  # it is read
        facts = parts.source.record() | last_and_best_of(trainer, task, parts, run)
    training = training_of(trainer, task, parts, resumed, clock.seconds())
    return Result.of(config, run.status, training, measured, facts)


def prepared(config: RunConfig, rank: int = 0) -> Parts:
    """Say what the data are, then build what a run is made of, and the caches of its data, which may take minutes."""
    check_hardware(config.trainer)
    keep_freed_memory()
    forget_peak_memory()
    source = build_source(config.data.source)
    if rank == 0:
        say_data(config, source)
    parts = assemble(config, source=source)
    parts.data.prepare()
    return parts


def train_and_judge(
    trainer: Trainer,
    task: TrainingTask,
    parts: Parts,
    run: RunDirectory,
    resumed: dict[str, Any] | None,
    stop_signals: StopSignals,
) -> None:
    """Train, validate and test, with pictures before and after; a signal that came meanwhile stops between them."""
    config = run.config
    drawn = wanted(config.figures, parts) and trainer.is_global_zero
    if drawn and resumed is None:
        draw_training(run, parts, trainer)
    if config.trainer.processes == 1:  # several agree between steps
        stop_signals.check()
    task.trained = steps, _ = fit(trainer, task, parts, run, resumed)
    judge(trainer, task, parts, run)
    if drawn and not config.trial:
        draw_test(run, parts, task, trainer, steps)


def training_of(
    trainer: Trainer, task: TrainingTask, parts: Parts, resumed: dict[str, Any] | None, seconds: float
) -> Training:
    """Say how the run was trained."""
    assert task.trained is not None
    steps, epochs = task.trained
    return Training(
        engine="lightning",
        device=str(trainer.strategy.root_device),
        steps=steps,
        epochs=epochs,
        seconds=seconds,
        resumed_at=resumed["global_step"] if resumed is not None else 0,
        weights_sha256=parts.weights_sha256,
    )


def measured_of(trainer: Trainer, task: TrainingTask, parts: Parts, run: RunDirectory) -> Measured:
    """Say what was measured; the first process saves the outputs too."""
    saved = "none"
    if trainer.is_global_zero:
        saved = save_predictions(run, parts.data, task.evaluations, run.config.save_predictions)
    return measured(task.results, task.evaluations, task.scale, saved, parts.source.class_names)


def say_data(config: RunConfig, source: Source) -> None:
    """Say on the screen and in train.log what the data are, and in one line what of them is not used."""
    for line in source.about_lines(config.data.name):
        print(line, flush=True)
        log.info("%s", line)
    if line := source.left_out_line():
        warn(line)


def warn(line: str) -> None:
    """Print a line and add it to train.log."""
    print(line, flush=True)
    log.warning("%s", line)


def warn_of_float16(config: RunConfig, parts: Parts) -> None:
    """Say where gradients may exceed float16's range."""
    if config.trainer.precision == "16-mixed" and getattr(parts.loss, "exceeds_fp16", False):
        warn(f"warning: {config.loss.name} has gradients beyond float16's range: prefer trainer.precision=bf16-mixed")


def warn_of_parts(config: RunConfig, parts: Parts) -> None:
    """Say where the parts of a batch give another loss than the whole batch."""
    given = config.trainer
    count = given.accumulate_grad_batches * given.processes
    if count > 1 and not is_mean_of_parts(parts.loss, *unlike_examples(parts)):
        warn(
            f"warning: loss={config.loss.name} is no mean over the examples of a batch: it is computed for each of the "
            f"{count} parts (trainer.accumulate_grad_batches={given.accumulate_grad_batches} times {given.processes} "
            "processes) alone and averaged, which is not the loss of the whole batch"
        )


def unlike_examples(parts: Parts) -> tuple[Output, Tensor]:
    """Outputs and targets of a few training examples, no two of them alike."""
    source, train = parts.data.source, parts.data.split("train")
    chosen = np.linspace(0, len(train) - 1, EXAMPLES).astype(int)
    members = (source.members,) if source.members > 1 else ()
    target = torch.from_numpy(train.targets[chosen])
    inputs = torch.ones(EXAMPLES, *members, *source.input_shape)
    output = try_model(parts.model, source, inputs, target, find_bound=False).output
    shrunk = [part * torch.linspace(0.1, 1, EXAMPLES).view(-1, *[1] * (part.ndim - 1)) for part in as_parts(output)]
    return (shrunk[0] if isinstance(output, Tensor) else type(output)(*shrunk)), softened(
        parts.loss, target, parts.data
    )


def as_parts(output: Output) -> tuple[Tensor, ...]:
    """The tensors of an output."""
    return (output,) if isinstance(output, Tensor) else output


def print_notices(config: RunConfig, parts: Parts) -> None:
    """Say which settings have no effect in this run."""
    for line in notices(config, parts):
        print(f"notice: {line}", flush=True)


def prepare_model(config: RunConfig, parts: Parts) -> None:
    """Choose the memory format and compile, as the configuration says; neither changes the names of the weights.

    What is tried on a few examples comes before: a compiled model would be compiled for them too.
    """
    if config.trainer.channels_last:
        parts.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stubs leave this form out
    if config.trainer.compile:
        torch.compiler.reset()  # what earlier runs of this process have compiled counts towards torch's limit
        parts.model.compile()


def wanted(setting: bool | str, parts: Parts) -> bool:
    """Whether to draw pictures: "auto" draws them for image data."""
    return isinstance(parts.source, ImageSource) if setting == "auto" else bool(setting)


def draw_training(run: RunDirectory, parts: Parts, trainer: Trainer) -> None:
    """Draw what the model is going to see."""
    from lossbench.training.figures import show_training  # matplotlib: only where something is drawn

    show_training(run, parts, trainer.loggers, trainer.strategy.root_device)


def draw_test(run: RunDirectory, parts: Parts, task: TrainingTask, trainer: Trainer, step: int) -> None:
    """Draw how the test went."""
    from lossbench.training.figures import show_test

    show_test(run, parts, task.evaluations["test"], task.scale, trainer.loggers, step)


def fit(
    trainer: Trainer, task: TrainingTask, parts: Parts, run: RunDirectory, resumed: dict[str, Any] | None
) -> tuple[int, int]:
    """Train, or go on training; weights that are trained to the end are only loaded. Returns steps and epochs."""
    if resumed is None:
        trainer.fit(task, datamodule=parts.data)
        return trainer.global_step, trainer.current_epoch
    path = run.checkpoint("last")
    if trainer.is_global_zero:
        print(f"resumed at step {resumed['global_step']} of {parts.total_steps}", flush=True)
    if resumed["should_stop"] or resumed["global_step"] >= parts.total_steps:
        give_weights(task, resumed["state_dict"], path, AGAIN)
        return resumed["global_step"], resumed["epoch"] + 1
    require_unfinished(path, resumed)
    name_damage(trainer, path, resumed)
    trainer.fit(task, datamodule=parts.data, ckpt_path=path, weights_only=True)
    return trainer.global_step, trainer.current_epoch


def judge(trainer: Trainer, task: TrainingTask, parts: Parts, run: RunDirectory) -> None:
    """Validate, then test the chosen weights; the test split is looked at once, after all choices are made.

    A trial, which makes such a choice, is not tested.
    """
    if run.config.evaluate == "best":
        best = run.checkpoint("best")
        give_weights(task, read_weights(best)["state_dict"], best, ANEW)
    trainer.validate(task, datamodule=parts.data, verbose=False)
    if not run.config.trial:
        trainer.test(task, datamodule=parts.data, verbose=False)


@contextmanager
def history_of(run: RunDirectory, resumed: dict[str, Any] | None, rank: int = 0) -> Iterator[History | None]:
    """Open metrics.csv where the checkpoint left it (the first rank alone writes it)."""
    history = History(run.metrics_path, resumed["history_bytes"] if resumed else 0) if rank == 0 else None
    try:
        yield history
    finally:
        if history is not None:
            history.close()
