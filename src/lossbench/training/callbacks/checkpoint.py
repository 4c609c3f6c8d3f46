"""When checkpoints are written: at the end of epochs, every so many steps, and when the run is to stop."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from lossbench.errors import UserError
from lossbench.metrics.units import unit_of
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.history import History
from lossbench.training.checkpoints import link_best, run_entries
from lossbench.training.stopping import NoSignals, StopSignals

AGREE_EVERY = 8  # steps between two exchanges of signals among several processes


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
        """Bring the history to the disk first: the checkpoint records its length."""
        length = self.history.flush() if self.history else 0
        stops = bool(trainer.should_stop)
        checkpoint |= run_entries(history_bytes=length, should_stop=stops, is_best=self.is_best)

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
        """Note whether this epoch is the best so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            known = ", ".join(sorted(trainer.callback_metrics))
            raise UserError(f"monitor={self.monitor} is not measured; choose one of {known}")
        self.is_best = self.best is None or self.sign * float(value) > self.sign * self.best
        if self.is_best:
            self.best = float(value)

    def _stops(self, trainer: Trainer, *, always: bool = False) -> bool:
        """Whether any process has received a signal; all return the same at the same step."""
        received = self.stop_signals.received is not None
        if trainer.world_size == 1:
            return received
        if not always and trainer.global_step % AGREE_EVERY:  # an exchange makes a GPU wait
            return False
        return trainer.strategy.reduce_boolean_decision(received, all=False)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.run.checkpoint("last"), weights_only=False)
