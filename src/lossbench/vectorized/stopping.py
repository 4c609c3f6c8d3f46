"""Early stopping of each run of a stack."""

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor

from lossbench.config.build import build
from lossbench.config.schema import RunConfig


class EarlyStops:
    """Decide for each of K runs whether it improves no more, as Lightning's callback decides it for one.

    A run that has improved by less than min_delta for `patience` epochs stops; so does one whose metric is not finite,
    better than stopping_threshold or worse than divergence_threshold, where these are given.

    Args:
        given: Lightning's callback.
        runs: K.
    """

    def __init__(self, given: EarlyStopping, runs: int) -> None:
        self.given, self.monitor = given, given.monitor
        self.best = torch.full((runs,), float(given.best_score))
        self.waited = torch.zeros(runs, dtype=torch.int64)
        self.stopped = torch.zeros(runs, dtype=torch.bool)

    def compare(self, runs: Tensor, row: Mapping[str, Tensor]) -> None:
        """Note which of some runs stop after an epoch.

        Args:
            runs: their places, (r,).
            row: of the validation split, (r,) each; compared in single precision, in which Lightning keeps it.
        """
        now, before, better = row[self.monitor].float().cpu(), self.best[runs], self.given.monitor_op
        ends = self._at_once(now)
        improved = better(now - self.given.min_delta, before) & ~ends
        waited = torch.where(improved, 0, self.waited[runs] + ~ends)
        self.best[runs], self.waited[runs] = torch.where(improved, now, before), waited
        self.stopped[runs] |= ends | (~improved & (waited >= self.given.patience))

    def _at_once(self, now: Tensor) -> Tensor:
        """Which values end a run, however long it has waited."""
        given, better = self.given, self.given.monitor_op
        ends = ~now.isfinite() if given.check_finite else torch.zeros_like(now, dtype=torch.bool)
        if given.stopping_threshold is not None:
            ends |= better(now, given.stopping_threshold)
        if given.divergence_threshold is not None:
            ends |= better(-now, -given.divergence_threshold)
        return ends

    def state_dict(self) -> dict[str, Tensor]:
        """What is compared with, and who has stopped."""
        return {"best": self.best, "waited": self.waited, "stopped": self.stopped}

    def load_state_dict(self, state: Mapping[str, Tensor], index: Tensor) -> None:
        """Go on from a state, of which `index` chooses the runs."""
        self.best, self.waited, self.stopped = (state[name][index] for name in ("best", "waited", "stopped"))


def early_stops(config: RunConfig, runs: int) -> EarlyStops | None:
    """The early stopping of K runs with this configuration; None where there is none."""
    for name, node in config.callbacks.items():
        if node.class_name == EarlyStopping.__name__:
            given: Any = build(node, f"callbacks.{name}")
            return EarlyStops(given, runs)
    return None
