"""How well a model fits labels that were made wrong, counted from what training sees in an epoch."""

from typing import NamedTuple

import torch
from torch import Tensor

COUNTED = 5
"""Numbers that are counted: right labels and how many of them are fitted; wrong labels, fitted ones, recovered ones."""


class GivenLabels(NamedTuple):
    """The labels of a training split.

    Args:
        given: with which the model is trained, (n,).
        true: before some were made wrong, (n,).
    """

    given: Tensor
    true: Tensor

    def to(self, device: torch.device) -> "GivenLabels":
        """Move them to a device."""
        return GivenLabels(self.given.to(device), self.true.to(device))


def counted(predicted: Tensor, given: Tensor, true: Tensor) -> list[Tensor]:
    """Count the labels of a batch that a model fits.

    Args:
        predicted: class indices, (..., batch).
        given: labels with which the model is trained, (..., batch), or (batch,) of all.
        true: before some were made wrong, likewise.

    Returns:
        `COUNTED` numbers, (...) each.
    """
    predicted, given, true = torch.broadcast_tensors(predicted, given, true)
    wrong, fitted = given != true, predicted == given
    columns = (~wrong, fitted & ~wrong, wrong, fitted & wrong, (predicted == true) & wrong)
    return [column.sum(-1) for column in columns]


def memorisation_row(counts: Tensor) -> dict[str, Tensor]:
    """Turn an epoch's counts into shares, taken while the weights moved.

    fitted_clean: right labels that are predicted; fitted_flipped: wrong labels that are predicted; recovered: examples
    with a wrong label whose true class is predicted. NaN where there was no such label.

    Args:
        counts: what `counted` gives, summed over an epoch, (..., COUNTED).

    Returns:
        Shares in [0, 1], (...) each.
    """
    clean, fitted, wrong, memorised, recovered = counts.double().unbind(-1)
    return {
        "train/fitted_clean": fitted / clean,
        "train/fitted_flipped": memorised / wrong,
        "train/recovered": recovered / wrong,
    }
