"""The trainer: Lightning's, with the loggers and callbacks of the configuration and of the run contract."""

import os
from pathlib import Path
from typing import Any

from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from lossbench.config.build import build
from lossbench.config.inside import FOLDERS
from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.rundir.contents import check_places
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.rundir.history import History
from lossbench.rundir.identity import identity_hash
from lossbench.rundir.progress import FILE
from lossbench.rundir.progress_file import ProgressFile
from lossbench.training.assemble import Parts
from lossbench.training.callbacks.agreement import Agreement
from lossbench.training.callbacks.budget import MaxSteps
from lossbench.training.callbacks.checkpoint import RunCheckpoint
from lossbench.training.callbacks.loggers import StepRows, TidyLogger, fill_hparams
from lossbench.training.callbacks.progress import EpochLines, Progress, StepProgress
from lossbench.training.callbacks.stop import StopAfterStep
from lossbench.training.checkpoints import VerifiedCheckpointIO
from lossbench.training.rows import RunClock
from lossbench.training.stopping import NoSignals, StopSignals


def make_trainer(
    config: RunConfig,
    run: RunDirectory,
    parts: Parts,
    history: History | None,
    resumed: dict[str, Any] | None,
    stop_signals: StopSignals | None = None,
    clock: RunClock | None = None,
    *,
    srun_task: bool = False,
) -> Trainer:
    """Build the trainer with its loggers and callbacks; stop_signals ends it at the end of a step."""
    given = config.trainer
    loggers = make_loggers(config, run, history, resumed["global_step"] if resumed else None)
    profiler = build(config.profiler, "profiler", dirpath=str(run.path)) if config.profiler else None
    bar = show_bar(config.progress_bar)
    trainer = Trainer(
        accelerator=given.accelerator,
        devices=given.devices,
        num_nodes=given.num_nodes,
        strategy=given.strategy,
        precision=given.precision,
        max_epochs=given.max_epochs,
        gradient_clip_val=given.gradient_clip_val,
        accumulate_grad_batches=given.accumulate_grad_batches,
        sync_batchnorm=given.sync_batchnorm,
        deterministic=given.deterministic,
        logger=loggers,
        # for callbacks; the task logs by itself
        log_every_n_steps=min(config.log_every_n_steps, parts.steps_per_epoch),
        callbacks=make_callbacks(config, run, parts, history, bar, stop_signals or NoSignals(), clock),
        plugins=[VerifiedCheckpointIO(), environment(srun_task)],
        profiler=profiler,
        default_root_dir=str(run.path),
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    # Signals have one owner, lossbench.job.signals; Lightning's handler of SIGTERM would broadcast inside a step.
    trainer._signal_connector.register_signal_handlers = lambda: None
    return trainer


def make_callbacks(
    config: RunConfig,
    run: RunDirectory,
    parts: Parts,
    history: History | None,
    bar: bool,
    stop_signals: StopSignals,
    clock: RunClock | None,
) -> list[Callback]:
    """The callbacks of the configuration, then those of the run contract."""
    callbacks = [
        build(node, f"callbacks.{name}", **_folders(node, run.path)) for name, node in config.callbacks.items()
    ]
    checkpoint = config.checkpoint
    if config.trainer.max_steps > 0:
        callbacks.append(MaxSteps(config.trainer.max_steps))
    callbacks.append(Agreement(agreement(config, parts)))
    saving = RunCheckpoint(run, history, config.monitor, checkpoint.every_n_epochs, checkpoint.every_n_steps, clock)
    file = ProgressFile({run.path / FILE: ()}, parts.total_steps, parts.steps_per_epoch)
    callbacks += [StepRows(), EpochLines(), StepProgress(file, prints=not bar), saving]
    callbacks.append(StopAfterStep(stop_signals, saving, parts.total_steps))
    return [*callbacks, Progress(refresh_rate=max(1, parts.steps_per_epoch // 20))] if bar else callbacks


def environment(srun_task: bool) -> ClusterEnvironment:
    """How the processes of this run find each other; without srun, Lightning starts those of one machine itself."""
    if srun_task:
        return SLURMEnvironment(auto_requeue=False)  # signals have one owner: lossbench.job.signals
    return TorchElasticEnvironment() if TorchElasticEnvironment.detect() else LightningEnvironment()


def agreement(config: RunConfig, parts: Parts) -> dict[str, str]:
    """What all processes of a run must have in common."""
    return {
        "configuration": identity_hash(config.record),
        "seed": str(config.seed),
        "data fingerprint": parts.source.fingerprint(),
        "pretrained weights": str(parts.weights_sha256),
    }


def make_loggers(config: RunConfig, run: RunDirectory, history: History | None, step: int | None) -> list[Logger]:
    """metrics.csv always; then the configured loggers, in the run directory (mlflow: beside the studies)."""
    loggers: list[Logger] = [TidyLogger(history)] if history else []
    for name, node in config.logger.items():
        extra: dict[str, Any] = {"save_dir": str(run.path)}
        if name == "tensorboard":
            extra |= {"purge_step": step}
        if name == "mlflow" and not node.settings.get("tracking_uri"):
            extra |= {"tracking_uri": os.environ.get("MLFLOW_TRACKING_URI") or _database(run, config.study)}
        logger = build(node, f"logger.{name}", **extra)
        if step is None and isinstance(logger, TensorBoardLogger):
            fill_hparams(logger, flatten(config.record))
        elif step is None:
            logger.log_hyperparams(flatten(config.record))
        loggers.append(logger)
    return loggers


def _folders(node: Node, run: Path) -> dict[str, Any]:
    """The folders that a callback names, in the run directory."""
    return {name: str(run / node.settings[name]) for name in FOLDERS if node.settings.get(name) is not None}


def _database(run: RunDirectory, study: str) -> str:
    """MLflow's database beside the studies; of a run that lies in no study, in its directory."""
    place = run.path.resolve()
    folder = place.parents[2] if len(place.parents) > 2 and place.parents[1].name == study else place
    database = folder / "mlflow.db"
    check_places(database)
    return f"sqlite:///{database}"


def show_bar(wanted: bool | str) -> bool:
    """Whether to draw the progress bar: "auto" draws it in a terminal only."""
    return bool(wanted) if wanted != "auto" else os.isatty(2)
