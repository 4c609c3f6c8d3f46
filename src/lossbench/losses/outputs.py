"""What a model may hand to a loss besides a plain (batch, classes) tensor."""

from typing import NamedTuple

from torch import Tensor


class HeadOutput(NamedTuple):
    """An embedding and the logits that a head made of it."""

    embedding: Tensor
    logits: Tensor


class ClassCosines(NamedTuple):
    """Cosines between a model's output and the embeddings of the classes: (batch, C)."""

    cosines: Tensor
