"""The budget in steps."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback


class MaxSteps(Callback):
    """Stop after so many steps and validate there.

    Lightning's own max_steps would leave the last, incomplete epoch without validation.
    """

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask the trainer to stop when the budget is spent."""
        if trainer.global_step >= self.max_steps:
            trainer.should_stop = True
