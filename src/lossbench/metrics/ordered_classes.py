"""The outputs of classifiers of classes in order as their metrics see them."""

from functools import cached_property

import torch
from torch import Tensor

from lossbench.metrics.classes import Classes, chunks

HALF = 0.5


class OrderedClasses(Classes):
    """Logits of K runs on one split, whose classes are in order; what is predicted is the median of the probabilities.

    It is the class that makes the expected |predicted - true| least, and what CORAL and CORN predict.
    """

    @cached_property
    def median(self) -> Tensor:
        """The lowest class at which the classes up to it have half of the probability, (K, n).

        Of softmax(scale * logits) once a scale is fitted, so that losses whose logits are no probabilities have one.
        """
        logits = self.logits if self.scale is None else self.logits * self.scale
        return torch.cat([_median(chunk) for chunk, _ in chunks(logits, self.target)], dim=1)

    @cached_property
    def errors(self) -> Tensor:
        """How many classes too high each prediction is, (K, n) float64."""
        return (self.median - self.targets).double()


def _median(logits: Tensor) -> Tensor:
    below = (logits.double().softmax(-1).cumsum(-1) < HALF).sum(-1)
    return below.clamp_max(logits.shape[-1] - 1)
