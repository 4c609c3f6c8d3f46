"""What is summed over the training examples of an epoch, while the weights move, and the row that it makes."""

from typing import Any

import torch
from torch import Tensor

from lossbench.training.evaluation import Output, raw
from lossbench.training.memorisation import COUNTED, GivenLabels, counted, memorisation_row
from lossbench.training.rows import epoch_row


class EpochSums:
    """The sums of one process over the examples of an epoch that it has seen so far.

    Args:
        classifies: whether the examples that are right are counted.
        labels: of the training split, where some were made wrong: how many are fitted is counted; None counts nothing.
    """

    def __init__(self, *, classifies: bool, labels: GivenLabels | None) -> None:
        self._classifies, self._labels = classifies, labels
        self._sums = torch.zeros(2 if labels is None else 2 + COUNTED)  # of losses, of hits, of fitted labels
        self._seen = 0

    def to(self, device: torch.device) -> None:
        """Move them to a device."""
        self._sums = self._sums.to(device)
        self._labels = self._labels and self._labels.to(device)

    def reset(self) -> None:
        """Begin an epoch."""
        self._sums, self._seen = torch.zeros_like(self._sums), 0

    def add(self, loss: Tensor, output: Output, batch: Any) -> None:
        """Add a batch, or a part of one.

        Args:
            loss: its mean, a scalar.
            output: of the model.
            batch: has target and position.
        """
        hits = _hits(output, batch.target) if self._classifies else loss.new_zeros(())
        sums = [loss * len(batch.target), hits, *self._fits(output, batch.position)]
        self._sums += torch.stack([each.to(loss.dtype) for each in sums])
        self._seen += len(batch.target)

    def _fits(self, output: Output, position: Tensor) -> list[Tensor]:
        """How many right and wrong labels of a batch are fitted; nothing where that is not measured."""
        if self._labels is None:
            return []
        return counted(raw(output).argmax(1), self._labels.given[position], self._labels.true[position])

    def correct(self, change: Tensor | float) -> None:
        """Add to the sum of losses what the parts of a batch, put together, make of it."""
        self._sums[0] += change

    @property
    def loss(self) -> float:
        """The sum of losses."""
        return self._sums[0].item()

    @property
    def columns(self) -> int:
        """How many numbers the state has."""
        return len(self._sums) + 1

    def state(self) -> Tensor:
        """Give all sums, and how many examples there were: (columns,)."""
        return torch.cat((self._sums, self._sums.new_tensor([self._seen])))

    def load(self, state: Tensor) -> None:
        """Go on from a state."""
        self._sums, self._seen = state[:-1], int(state[-1])

    def row(self, state: Tensor) -> dict[str, float]:
        """Give the row of an epoch.

        Args:
            state: the sum of the states of all processes, (columns,).
        """
        loss, hits, *fits, n = state.tolist()
        row = epoch_row(loss / n, hits / n if self._classifies else None)
        shares = memorisation_row(torch.tensor(fits)) if fits else {}
        return row | {name: share.item() for name, share in shares.items()}


def _hits(output: Output, target: Tensor) -> Tensor:
    return (raw(output).argmax(1) == (target.argmax(1) if target.is_floating_point() else target)).sum()
