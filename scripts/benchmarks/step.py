"""A training step with everything switched on against a bare one."""

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, compare
from benchmarks.runs import hush, toy_fit


def figures(given: argparse.Namespace) -> list[Figure]:
    """Training steps per second of the toy run with everything on, against a bare LightningModule in a bare Trainer.

    The bare one trains the same layer with the same loss, written in plain torch, and one self.log.
    """
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    hush()
    epochs, steps = 2, 1000

    class Bare(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 5, bias=False)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            p = torch.softmax(self.linear(batch[0]), -1).gather(-1, batch[1].unsqueeze(-1))
            loss = (torch.cos(math.pi / 2 * 0.9 * p + 1) - math.cos(math.pi / 2 * 0.9 + 1)).mean()
            self.log("train/loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    def bare() -> float:
        data = TensorDataset(
            torch.eye(4).repeat(steps // epochs, 1), torch.tensor([1, 2, 3, 0]).repeat(steps // epochs)
        )
        options: dict[str, Any] = {
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
        }
        trainer = pl.Trainer(accelerator="cpu", max_epochs=epochs, logger=False, **options)
        task, loader = Bare(), DataLoader(data, batch_size=4)
        start = time.perf_counter()
        trainer.fit(task, loader)
        return steps / (time.perf_counter() - start)

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return [compare("step", "steps/s", lambda: toy_fit(Path(folder), epochs, steps), bare, 7, cost=False)]
