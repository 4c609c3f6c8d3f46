"""When checkpoints are written: at the end of epochs, every so many steps, and when `StopAfterStep` asks for one."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from lossbench.errors import UserError
from lossbench.metrics.units import unit_of
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.history import History
from lossbench.training.checkpoints import link_best, run_entries
from lossbench.training.rows import RunClock


class RunCheckpoint(Checkpoint):
    """Keep last.ckpt (to resume) and best.ckpt (by the monitored validation metric).

    Args:
        run: the run's directory.
        history: metrics.csv, whose length belongs to the checkpoint.
        monitor: the metric that decides what is best; ties keep the earlier epoch.
        every_n_epochs: epochs between two checkpoints.
        every_n_steps: steps between two checkpoints inside an epoch; None saves at the end of epochs only.
        clock: of the run, for the time that it has taken.
    """

    def __init__(
        self,
        run: RunDirectory,
        history: History | None,
        monitor: str,
        every_n_epochs: int = 1,
        every_n_steps: int | None = None,
        clock: RunClock | None = None,
    ) -> None:
        self.run, self.history, self.monitor = run, history, monitor
        self.every_n_epochs, self.every_n_steps = every_n_epochs, every_n_steps
        self.clock = clock or RunClock()
        self.sign = 1.0 if unit_of(monitor).higher_is_better else -1.0
        self.best: float | None = None
        self.is_best = False
        self.saved = -1  # the step of last.ckpt, if this process has written it

    def state_dict(self) -> dict[str, Any]:
        """Keep the best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best value up again."""
        self.best = state_dict["best"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring the history to the disk first: the checkpoint records its length."""
        length = self.history.flush() if self.history else 0
        stops, seconds = bool(trainer.should_stop), self.clock.seconds()
        checkpoint |= run_entries(history_bytes=length, seconds=seconds, should_stop=stops, is_best=self.is_best)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save inside an epoch; its last batch is left to the epoch's end."""
        if is_inside(trainer, batch_idx) and self.every_n_steps and trainer.global_step % self.every_n_steps == 0:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save at the end of an epoch, after its rows are written."""
        self._compare(trainer)
        last = is_last_epoch(trainer)
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if self.is_best or last or due:
            self.save(trainer)
        if self.is_best and trainer.is_global_zero:
            link_best(self.run)
        self.is_best = False

    def save(self, trainer: Trainer) -> None:
        """Save last.ckpt, if it is not that of this step already."""
        if self.saved != trainer.global_step:
            trainer.save_checkpoint(self.run.checkpoint("last"), weights_only=False)
            self.saved = trainer.global_step

    def _compare(self, trainer: Trainer) -> None:
        """Note whether this epoch is the best so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            known = ", ".join(sorted(trainer.callback_metrics))
            raise UserError(f"monitor={self.monitor} is not measured; choose one of {known}")
        self.is_best = self.best is None or self.sign * float(value) > self.sign * self.best
        if self.is_best:
            self.best = float(value)


def is_inside(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a batch ends a step inside an epoch; what follows its last one is left to the epoch's end."""
    whole = not (batch_idx + 1) % trainer.accumulate_grad_batches
    return whole and batch_idx + 1 < trainer.num_training_batches and not trainer.should_stop


def is_last_epoch(trainer: Trainer) -> bool:
    """Whether no epoch follows."""
    return trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
