"""The runs of a stack that have ended before its last step: where, and with which weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Ended:
    """Keep of each of K runs the step at which it ended, and what it ended with, while others train on.

    Args:
        runs: K.
    """

    def __init__(self, runs: int) -> None:
        self.step = torch.zeros(runs, dtype=torch.int64)
        """(K,) updates made; 0 while it trains."""
        self.runs = torch.zeros(0, dtype=torch.int64)
        """(E,) those that have ended."""
        self.weights: dict[str, Tensor] = {}
        """Parameters and buffers, (E, ...) each."""

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def are(self) -> Tensor:
        """Whether each run has ended: (K,)."""
        return self.step > 0

    def add(self, runs: Tensor, weights: Mapping[str, Tensor], step: int) -> None:
        """Note that some runs have ended.

        Args:
            runs: their places, (r,).
            weights: of them, (r, ...) each.
            step: updates made.
        """
        self.step[runs] = step
        self.runs = torch.cat((self.runs, runs))
        for name, tensor in weights.items():
            before = self.weights.get(name)
            self.weights[name] = tensor.detach().clone() if before is None else torch.cat((before, tensor.detach()))

    def joined(self, weights: Mapping[str, Tensor], runs: Tensor) -> dict[str, Tensor]:
        """The weights of all K runs.

        Args:
            weights: of those in the stack, (P, ...) each; of one that has ended they are not looked at.
            runs: the places of those in the stack, (P,).
        """
        found: dict[str, Tensor] = {}
        for name, tensor in weights.items():
            found[name] = tensor.new_zeros((len(self.step), *tensor.shape[1:]))
            found[name][runs.to(tensor.device)] = tensor.detach()
            found[name][self.runs.to(tensor.device)] = self.weights[name]
        return found

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors."""
        return {"step": self.step, "runs": self.runs, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any], chosen: Sequence[int], device: torch.device) -> None:
        """Go on from a state, with the chosen ones of its runs."""
        place = {run: e for e, run in enumerate(state["runs"].tolist())}
        here = [(k, place[run]) for k, run in enumerate(chosen) if run in place]
        index = torch.tensor([e for _, e in here], dtype=torch.int64)
        self.step = state["step"][list(chosen)]
        self.runs = torch.tensor([k for k, _ in here], dtype=torch.int64)
        self.weights = {name: tensor[index].to(device) for name, tensor in state["weights"].items()}
