"""Where a run that a signal has asked to stop ends: after a step, and everything is saved."""

import signal
from typing import Any, NoReturn

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from lossbench.training.callbacks.checkpoint import RunCheckpoint, is_inside, is_last_epoch
from lossbench.training.stopping import StopSignals

AGREE_EVERY = 8  # steps between two exchanges of signals among several processes


class StopAfterStep(Checkpoint):
    """Save and stop when a signal has come. (Lightning calls Checkpoint callbacks last, in the order given.)

    Args:
        stop_signals: the signals.
        checkpoint: saves.
        total_steps: of the whole run.
    """

    def __init__(self, stop_signals: StopSignals, checkpoint: RunCheckpoint, total_steps: int) -> None:
        self.stop_signals, self.checkpoint, self.total_steps = stop_signals, checkpoint, total_steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the handlers again: a logger may have replaced them."""
        self.stop_signals.install()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop inside an epoch."""
        if is_inside(trainer, batch_idx) and self._stops(trainer, trainer.global_step % AGREE_EVERY == 0):
            self._save_and_stop(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs; the last one is saved already."""
        if not is_last_epoch(trainer) and self._stops(trainer, exchange=True):
            self._save_and_stop(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Stop the validation after the training; one inside it is finished, because its epoch is saved whole."""
        self._stop_between_batches(trainer)

    def on_test_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Stop the test."""
        self._stop_between_batches(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """After an urgent stop wait for nothing: a logger may have been in the middle of a write."""
        if self.stop_signals.urgent and self.stop_signals.leaving:
            trainer.loggers = []
            kill_other_ranks(trainer)

    def _stops(self, trainer: Trainer, exchange: bool) -> bool:
        """Whether any process has received a signal; all return the same at the same step."""
        received = self.stop_signals.received is not None
        if trainer.world_size == 1:
            return received
        return exchange and trainer.strategy.reduce_boolean_decision(received, all=False)  # it makes a GPU wait

    def _save_and_stop(self, trainer: Trainer) -> NoReturn:
        self.checkpoint.save(trainer)
        self.stop_signals.stop(f"step {trainer.global_step} of {self.total_steps}")

    def _stop_between_batches(self, trainer: Trainer) -> None:
        """Processes of one run may have different numbers of batches: several agree between stages alone."""
        if trainer.world_size == 1 and trainer.state.fn != "fit":
            self.stop_signals.check()


def kill_other_ranks(trainer: Trainer) -> None:
    """Kill the processes that Lightning has started: they may wait for this one for ever."""
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        launcher.kill(signal.SIGKILL)
