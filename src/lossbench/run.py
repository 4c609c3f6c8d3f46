"""Run a run directory: config -> objects -> fit -> validate and test -> files."""

import logging
import os
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from lossbench.assemble import Parts, assemble, build_task
from lossbench.build import build
from lossbench.callbacks.budget import MaxSteps
from lossbench.callbacks.checkpoint import RunCheckpoint, VerifiedCheckpointIO, link_best, read_checkpoint
from lossbench.callbacks.loggers import TidyLogger, fill_hparams
from lossbench.callbacks.progress import EpochLines, Progress
from lossbench.contract.directory import RunDirectory
from lossbench.contract.history import History
from lossbench.contract.identity import identity_hash
from lossbench.errors import UserError
from lossbench.hardware import NO_GPU, keep_freed_memory
from lossbench.predictions import save_predictions
from lossbench.report import flatten, make_result
from lossbench.task import ClassificationTask

log = logging.getLogger(__name__)


def execute(run: RunDirectory) -> dict[str, Any]:
    """Train, validate and test what a run directory describes, from its last checkpoint if there is one.

    Args:
        run: a planned, claimed and verified directory.

    Returns:
        What result.json holds (on every rank).

    Raises:
        UserError: the configuration cannot be run here, or the training became non-finite.
    """
    config, started = run.config, time.perf_counter()
    check_hardware(config["trainer"])
    keep_freed_memory()
    parts = assemble(config)
    resumed = read_checkpoint(run.checkpoint("last")) if run.checkpoint("last").exists() else None
    if config["trainer"]["precision"] == "16-mixed" and getattr(parts.loss, "exceeds_fp16", False):
        print(f"warning: {config['loss']['name']} has gradients beyond float16's range: prefer trainer.precision=bf16-mixed", flush=True)
    if resumed is not None and resumed["is_best"] and is_first_rank():
        link_best(run)  # the run may have died before it could
    with threads(config, parts), quiet(), history_of(run, resumed) as history:
        task = build_task(config, parts)
        trainer = make_trainer(config, run, parts, history, resumed)
        task.trained = steps, epochs = fit(trainer, task, parts, run, resumed)
        judge(trainer, task, parts, run, config["evaluate"])
    saved = save_predictions(run, parts.data, task.evaluations, config["save_predictions"]) if trainer.is_global_zero else "none"
    return make_result(
        config,
        digest=identity_hash(config),
        metrics={name: (metric.value, metric.half_width) for name, metric in task.results.items()},
        counts={stage: len(evaluation.target) for stage, evaluation in task.evaluations.items()},
        steps=steps,
        epochs=epochs,
        seconds=time.perf_counter() - started,
        command=run.status.get("command", []),
        engine="lightning",
        device=str(trainer.strategy.root_device),
        scale=task.scale,
        predictions=saved,
    )


def fit(trainer: Trainer, task: ClassificationTask, parts: Parts, run: RunDirectory, resumed: dict[str, Any] | None) -> tuple[int, int]:
    """Train, or go on training; weights that are trained to the end are only loaded. Returns steps and epochs."""
    if resumed is not None:
        print(f"resuming at step {resumed['global_step']} of {parts.total_steps}", flush=True)
    if resumed is not None and (resumed["should_stop"] or resumed["global_step"] >= parts.total_steps):
        task.load_state_dict(resumed["state_dict"])
        return resumed["global_step"], resumed["epoch"] + 1
    path = run.checkpoint("last") if resumed is not None else None
    try:
        trainer.fit(task, datamodule=parts.data, ckpt_path=path, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        # Lightning turns Ctrl-C into exit code 1 and leaves the signal ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
    return trainer.global_step, trainer.current_epoch


def judge(trainer: Trainer, task: ClassificationTask, parts: Parts, run: RunDirectory, which: str) -> None:
    """Validate, then test the chosen weights; the test split is looked at once, after all choices are made."""
    if which == "best":
        task.load_state_dict(read_checkpoint(run.checkpoint("best"))["state_dict"])
    trainer.validate(task, datamodule=parts.data, verbose=False)
    trainer.test(task, datamodule=parts.data, verbose=False)


def make_trainer(
    config: Mapping[str, Any], run: RunDirectory, parts: Parts, history: History | None, resumed: dict[str, Any] | None
) -> Trainer:
    """Build the trainer with its loggers and callbacks."""
    given = config["trainer"]
    loggers = make_loggers(config, run, history, resumed["global_step"] if resumed else None)
    profiler = build(config["profiler"], "profiler", dirpath=str(run.path)) if config.get("profiler") else None
    bar = show_bar(config["progress_bar"])
    return Trainer(
        accelerator=given["accelerator"],
        devices=given["devices"],
        num_nodes=given["num_nodes"],
        strategy=given["strategy"],
        precision=given["precision"],
        max_epochs=given["max_epochs"],
        gradient_clip_val=given["gradient_clip_val"],
        deterministic=given["deterministic"],
        logger=loggers,
        log_every_n_steps=min(config["log_every_n_steps"], parts.steps_per_epoch),  # for callbacks; the task logs by itself
        callbacks=make_callbacks(config, run, parts, history, bar),
        plugins=[VerifiedCheckpointIO()],
        profiler=profiler,
        default_root_dir=str(run.path),
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def make_callbacks(config: Mapping[str, Any], run: RunDirectory, parts: Parts, history: History | None, bar: bool) -> list[Callback]:
    """The callbacks of the configuration, then those of the run contract."""
    callbacks = [build(node, f"callbacks.{name}") for name, node in (config["callbacks"] or {}).items()]
    checkpoint = config["checkpoint"]
    if config["trainer"]["max_steps"] > 0:
        callbacks.append(MaxSteps(config["trainer"]["max_steps"]))
    callbacks += [EpochLines(), RunCheckpoint(run, history, config["monitor"], checkpoint["every_n_epochs"], checkpoint["every_n_steps"])]
    return [*callbacks, Progress(refresh_rate=max(1, parts.steps_per_epoch // 20))] if bar else callbacks


def make_loggers(config: Mapping[str, Any], run: RunDirectory, history: History | None, step: int | None) -> list[Logger]:
    """metrics.csv always; then the configured loggers, all of which keep their files in the run directory."""
    loggers: list[Logger] = [TidyLogger(history)] if history else []
    for name, node in (config["logger"] or {}).items():
        extra: dict[str, Any] = {"save_dir": str(run.path)}
        if name == "tensorboard":
            extra |= {"purge_step": step}
        loggers.append(build(node, f"logger.{name}", **extra))
        if isinstance(loggers[-1], TensorBoardLogger) and step is None:
            names = ["accuracy", "loss", "nll", "ece", *config["yardsticks"]]
            fill_hparams(loggers[-1], flatten(config), [f"{stage}/{metric}" for metric in names for stage in ("val", "test")])
    return loggers


@contextmanager
def history_of(run: RunDirectory, resumed: dict[str, Any] | None) -> Iterator[History | None]:
    """Open metrics.csv where the checkpoint left it (the first rank alone writes it)."""
    history = History(run.metrics_path, resumed["history_bytes"] if resumed else 0) if is_first_rank() else None
    try:
        yield history
    finally:
        if history is not None:
            history.close()


def show_bar(wanted: bool | str) -> bool:
    """Whether to draw the progress bar: "auto" draws it in a terminal only."""
    return bool(wanted) if wanted != "auto" else os.isatty(2)


def is_first_rank() -> bool:
    """Whether this process is the one that writes (Lightning starts the others with these variables)."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def check_hardware(trainer: Mapping[str, Any]) -> None:
    """Refuse early what this machine cannot do.

    Raises:
        UserError: no GPU, too few of them, or float16 without one.
    """
    wanted, gpus = trainer["accelerator"], torch.cuda.device_count()
    if wanted == "gpu" and not gpus and not torch.backends.mps.is_available():
        raise UserError(NO_GPU)
    on_gpu = wanted == "gpu" or (wanted == "auto" and gpus > 0)
    if on_gpu and gpus and trainer["devices"] > gpus:
        raise UserError(f"trainer.devices={trainer['devices']}: this machine has {gpus} GPU(s); use trainer.devices={gpus}")
    if trainer["precision"] == "16-mixed" and not on_gpu:
        raise UserError("trainer.precision=16-mixed needs a GPU; use bf16-mixed or 32-true on a CPU")


@contextmanager
def threads(config: Mapping[str, Any], parts: Parts) -> Iterator[None]:
    """Use as many threads as the work deserves: on tiny tensors two threads are many times slower than one."""
    before, wanted = torch.get_num_threads(), config["trainer"]["threads"]
    if wanted == "auto":
        work = sum(p.numel() for p in parts.model.parameters()) * config["data"]["batch_size"]
        wanted = 1 if work < 2e7 else max(1, before // (config["trainer"]["devices"] if config["trainer"]["accelerator"] == "cpu" else 1))
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's chatter off the screen (train.log has it), and the advice that does not apply here."""
    with warnings.catch_warnings():
        # Small data in memory needs no loader processes; the user sets data.num_workers.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Ours resumes through the data module.
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        yield
