"""The average of the weights."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging

DECAY = 0.999


class EMA(EMAWeightAveraging):
    """Evaluate, test and save the moving average of the weights: a <- decay a + (1 - decay) w after every step.

    Args:
        decay: in [0, 1).
    """

    def __init__(self, decay: float = DECAY) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be >= 0 and < 1, got {decay}")
        super().__init__(decay=decay)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Keep the average where the model is going to be: at this point the model itself is still on the CPU."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the model the average, and drop it: what is validated afterwards may be the weights of another epoch."""
        super().on_train_end(trainer, pl_module)
        self._average_model = None
