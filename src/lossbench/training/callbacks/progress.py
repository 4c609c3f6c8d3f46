"""Progress a person can read: a bar in a terminal, a line for each epoch in train.log."""

import logging
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

log = logging.getLogger(__name__)


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
