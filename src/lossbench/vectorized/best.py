"""The best weights so far of each run of a stack, by what it monitors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lossbench.metrics.units import unit_of
from lossbench.vectorized.engine.stack import one_of


class BestWeights:
    """Keep for each of K runs the weights with which the monitored metric was best; ties keep the earlier step.

    Args:
        monitor: the metric, e.g. val/accuracy.
        weights: of all runs, (K, ...) each: kept until something is measured.
    """

    def __init__(self, monitor: str, weights: Mapping[str, Tensor]) -> None:
        self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        runs = len(next(iter(self.weights.values())))
        self.monitor, self.sign = monitor, 1.0 if unit_of(monitor).higher_is_better else -1.0
        self.score = torch.full((runs,), -torch.inf, dtype=torch.float64)
        self.step = torch.zeros(runs, dtype=torch.int64)

    def compare(self, runs: Tensor, row: Mapping[str, Tensor], step: int) -> None:
        """Note which of some runs are better than before.

        Args:
            runs: their places, (r,).
            row: of the validation split, (r,) each.
            step: updates done.
        """
        score, before = self.sign * row[self.monitor].double().cpu(), self.score[runs]
        better = score > before
        self.score[runs] = torch.where(better, score, before)
        self.step[runs] = torch.where(better, step, self.step[runs])

    def keep(self, runs: Tensor, weights: Mapping[str, Tensor], step: int) -> None:
        """Copy the weights of the runs that are best at this step.

        Args:
            runs: the places of some runs, (P,).
            weights: theirs, (P, ...) each.
            step: updates done.
        """
        now = (self.step[runs] == step).nonzero()[:, 0]
        for name, tensor in weights.items():
            self.weights[name][runs[now].to(tensor.device)] = tensor.detach()[now.to(tensor.device)]

    def at(self, k: int) -> dict[str, Tensor]:
        """The best weights of one run, a copy."""
        return one_of(self.weights, k)

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors."""
        return {"score": self.score, "step": self.step, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any], index: Tensor) -> None:
        """Go on from a state, of which `index` chooses the runs."""
        self.score, self.step = state["score"][index], state["step"][index]
        for name, tensor in state["weights"].items():
            self.weights[name] = tensor[index].to(self.weights[name].device)
