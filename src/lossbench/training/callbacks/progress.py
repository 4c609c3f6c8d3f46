"""Progress a person can read: a bar in a terminal, a line a minute elsewhere, a line for each epoch in train.log."""

import logging
import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

from lossbench.rundir.progress_file import ProgressFile

log = logging.getLogger(__name__)

LINE_SECONDS = 60.0  # between two lines where there is no bar


class Progress(TQDMProgressBar):
    """Lightning's bar with the loss, the validation accuracy and the speed."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        shown: dict[str, float] = getattr(pl_module, "shown", {})
        return {name: f"{value:.4g}" for name, value in shown.items()}


class EpochLines(Callback):
    """Write a line to train.log after every epoch."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how far the run is."""
        shown: dict[str, float] = getattr(pl_module, "shown", {})
        text = "  ".join(f"{name} {value:.5g}" for name, value in shown.items())
        log.info(
            "epoch %d of %s  step %d  %s", trainer.current_epoch + 1, trainer.max_epochs, trainer.global_step, text
        )


class StepProgress(Callback):
    """Write progress.json, and where there is no bar a line each minute.

    Args:
        file: of the run.
        prints: whether there is no bar.
    """

    def __init__(self, file: ProgressFile, prints: bool) -> None:
        self.file, self.prints = file, prints
        self._printed = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self.file.start(trainer.global_step)
        self._printed = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say how far the run is, if that was not said a moment ago."""
        if not trainer.is_global_zero:
            return
        self.file.update(trainer.global_step)
        if self.prints and time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            print(self.file.at(trainer.global_step), flush=True)
