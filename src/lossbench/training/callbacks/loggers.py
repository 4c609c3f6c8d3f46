"""Loggers of our own: the tidy metrics.csv, and TensorBoard's HPARAMS tab."""

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.tensorboard.summary import hparams

from lossbench.rundir.history import History

# What one compares runs by; the rest of the configuration is in config.yaml.
COMPARED = (
    "seed",
    "data.",
    "augment.",
    "model.",
    "loss.",
    "optimizer.",
    "scheduler.",
    "trainer.max_",
    "trainer.precision",
)


class TidyLogger(Logger):
    """Write every logged number as a row of metrics.csv."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history

    @property
    def name(self) -> str:
        """What Lightning calls it."""
        return "metrics.csv"

    @property
    def version(self) -> str:
        """There is one per run."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add the rows of one step."""
        values = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        self.history.add(int(step or 0), int(metrics.get("epoch", 0)), values)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml has them."""


class StepRows(Callback):
    """Write the row of a step before its checkpoint: Lightning calls the module's hook after the callbacks'."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write it."""
        write_row: Callable[[int], None] = pl_module.write_row  # pyright: ignore[reportAssignmentType] - our one task has it
        write_row(batch_idx)


def compared(params: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Pick from a flat configuration what one compares runs by."""
    wanted = {
        name: value for name, value in params.items() if name.startswith(COMPARED) and not name.endswith("_target_")
    }
    return {name: value for name, value in wanted.items() if isinstance(value, bool | int | float | str)}


@rank_zero_only
def fill_hparams(logger: TensorBoardLogger, params: Mapping[str, Any]) -> None:
    """Fill in this run's settings for TensorBoard's HPARAMS tab, before its metrics come.

    Not the list of settings of a whole experiment, which torch writes too: TensorBoard would take the first run's for
    all. Without it the tab collects the settings and metrics of all runs, and shows first what differs between them.
    """
    _, started, ended = hparams(compared(params), {})
    for summary in (started, ended):
        logger.experiment._get_file_writer().add_summary(summary)
