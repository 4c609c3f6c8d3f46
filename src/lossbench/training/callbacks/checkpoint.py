"""Checkpoints that are whole, verified, and from which a run continues exactly."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lossbench.errors import UserError, one_line
from lossbench.metrics.units import unit_of
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_atomic
from lossbench.rundir.history import History
from lossbench.training.stopping import NoSignals, StopSignals

AGREE_EVERY = 8  # steps between two times that several processes ask each other whether to stop


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it.

    Raises:
        UserError: it is missing, truncated, or holds more than tensors and plain containers.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; keep_checkpoints says which checkpoints a run keeps") from error
    except Exception as error:
        short = one_line(error).split(". ")[0][:160]
        raise UserError(
            f"{path} is refused: it is damaged or holds more than tensors and plain values ({short}); delete it and repeat the command "
            "to train from the beginning"
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UserError(
            f"{path} is refused: it is not a checkpoint of a run; delete it and repeat the command to train from the beginning"
        )
    return checkpoint


class VerifiedCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside the old one, read it back as anyone will, and only then take the old one's place."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save; a failure leaves the previous checkpoint untouched."""
        buffer = BytesIO()
        torch.save(checkpoint, buffer)
        path = Path(path)
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, lambda file: file.write(buffer.getbuffer()), check=read_checkpoint)


class RunCheckpoint(Checkpoint):
    """Keep last.ckpt (to resume) and best.ckpt (by the monitored validation metric).

    Args:
        run: the run's directory.
        history: metrics.csv, whose length belongs to the checkpoint.
        monitor: the metric that decides what is best; ties keep the earlier epoch.
        every_n_epochs: epochs between two checkpoints.
        every_n_steps: steps between two checkpoints inside an epoch; None saves at the end of epochs only.
        stop_signals: a signal that has come ends the training after a checkpoint at the end of the step.
    """

    def __init__(
        self,
        run: RunDirectory,
        history: History | None,
        monitor: str,
        every_n_epochs: int = 1,
        every_n_steps: int | None = None,
        stop_signals: StopSignals | None = None,
    ) -> None:
        self.run, self.history, self.monitor = run, history, monitor
        self.every_n_epochs, self.every_n_steps = every_n_epochs, every_n_steps
        self.stop_signals = stop_signals or NoSignals()
        self.sign = 1.0 if unit_of(monitor).higher_is_better else -1.0
        self.best: float | None = None
        self.is_best = False

    def state_dict(self) -> dict[str, Any]:
        """Keep the best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best value up again."""
        self.best = state_dict["best"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring the history to the disk first: the checkpoint says how long it is."""
        checkpoint["history_bytes"] = self.history.flush() if self.history else 0
        # early stopping does not remember that it has stopped
        checkpoint["should_stop"] = bool(trainer.should_stop)
        checkpoint["is_best"] = self.is_best

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here a signal waits for the end of a step."""
        self.stop_signals.install()
        self.stop_signals.deferred = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here there is nothing to save: the last checkpoint holds all."""
        self.stop_signals.deferred = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Whatever ended the training, a signal ends the rest."""
        self.stop_signals.deferred = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save inside an epoch; its last batch is left to the epoch's end."""
        whole = not (batch_idx + 1) % trainer.accumulate_grad_batches
        if not whole or batch_idx + 1 >= trainer.num_training_batches or trainer.should_stop:
            return
        stops = self._stops(trainer)
        if stops or (self.every_n_steps and trainer.global_step % self.every_n_steps == 0):
            self._save(trainer)
        if stops:
            self.stop_signals.stop()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save at the end of an epoch, after its rows are written."""
        self._compare(trainer)
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        stops = not last and self._stops(trainer, always=True)
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if self.is_best or last or stops or due:
            self._save(trainer)
        if self.is_best and trainer.is_global_zero:
            link_best(self.run)
        self.is_best = False
        if stops:
            self.stop_signals.stop()

    def _compare(self, trainer: Trainer) -> None:
        """Take the epoch's value of the monitored metric for the best one where it is."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            raise UserError(
                f"monitor={self.monitor} is not measured; choose one of {', '.join(sorted(trainer.callback_metrics))}"
            )
        self.is_best = self.best is None or self.sign * float(value) > self.sign * self.best
        if self.is_best:
            self.best = float(value)

    def _stops(self, trainer: Trainer, *, always: bool = False) -> bool:
        """Whether any process was asked to stop; all get the same answer at the same step."""
        asked = self.stop_signals.received is not None
        if trainer.world_size == 1:
            return asked
        if not always and trainer.global_step % AGREE_EVERY:  # asking makes a GPU wait
            return False
        return trainer.strategy.reduce_boolean_decision(asked, all=False)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.run.checkpoint("last"), weights_only=False)


def link_best(run: RunDirectory) -> None:
    """Give last.ckpt a second name, best.ckpt: the next last.ckpt is a new file, so this one stays as it is."""
    beside = run.checkpoint(".best")
    beside.unlink(missing_ok=True)
    try:
        os.link(run.checkpoint("last"), beside)
        os.replace(beside, run.checkpoint("best"))
    except OSError:  # a file system without hard links
        content = run.checkpoint("last").read_bytes()
        write_atomic(run.checkpoint("best"), lambda file: file.write(content))
