"""The loss of an update whose batch comes in parts: one after another, or to several processes."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from lossbench import losses
from lossbench.errors import UserError
from lossbench.training.evaluation import Loss, Output


class UpdateLoss:
    """Put the loss of an update together from parts of one size, over which gradients are averaged.

    A mean over examples is the mean of the parts' means. A weighted mean divides by the weights of the whole update,
    those of classes times those of examples,
    L = sum_i w_i l_i / sum_i w_i: the parts give their means of w_i l_i, and `finish` the factor 1 / mean(w). A sum is
    the parts' mean times their number. Any other reduction, such as a subclass's own `reduce`, is averaged over the
    parts (`is_mean_of_parts`).

    Args:
        loss: of a part.
        accumulate: parts of a process.
    """

    def __init__(self, loss: Loss, accumulate: int) -> None:
        self.loss, self.accumulate = loss, accumulate
        self._weight: Tensor | None = None  # mean of the weights so far
        self._total: Tensor | float = 0.0  # of the parts' losses times their examples

    def part(self, output: Output, target: Tensor, processes: int = 1, weight: Tensor | None = None) -> Tensor:
        """Give what is differentiated for a part: ().

        Args:
            output: (b, ...).
            target: (b, ...).
            processes: how many work on a part at the same time.
            weight: of the examples, (b,); None where all count alike.
        """
        parts = self.accumulate * processes
        if parts == 1:
            return self._reduced(output, target, weight)
        if getattr(self.loss, "reduction", "mean") == "sum":
            return parts * self._reduced(output, target, weight)
        weights = self._weights_of(target, weight)
        if weights is None or weights.requires_grad:  # learned weights have a gradient through the divisor too
            return self._reduced(output, target, weight)
        value = _times(self.loss.per_example(output, target), weight).mean()
        mean = weights.mean() / self.accumulate
        self._weight = mean if self._weight is None else self._weight + mean
        self._total = self._total + value.detach() * len(target)
        return value

    def terms(self, output: Output, target: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """Give the parts that the loss is the sum of, reduced as `part` has just reduced it: name -> ()."""
        divisor = 1.0 if weight is None or self._weight is not None else weight.mean()  # else `finish` divides
        return {name: _times(term, weight).mean() / divisor for name, term in self.loss.terms(output, target).items()}

    def _reduced(self, output: Output, target: Tensor, weight: Tensor | None) -> Tensor:
        return self.loss(output, target) if weight is None else _own(self.loss).weighted(output, target, weight)

    def finish(self, average: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor] | None:
        """Give the factor on the gradients of an update whose parts are done; None where they are right.

        Args:
            average: of a tensor over the processes.

        Returns:
            The factor, 0 where no example has a weight, and what it changes in the sum of the parts' losses.
        """
        if self._weight is None:
            return None
        mean, total = average(self._weight), torch.as_tensor(self._total)
        factor = torch.where(mean > 0, 1 / torch.where(mean > 0, mean, 1.0), 0.0)
        self._weight, self._total = None, 0.0
        return factor, (factor - 1) * total

    def _weights_of(self, target: Tensor, weight: Tensor | None) -> Tensor | None:
        if weight is not None:
            return _own(self.loss).combined(target, weight)
        if reduces_its_own_way(self.loss):
            return None
        # a class that LOSSBENCH_ALLOW names may have less than lossbench.losses.Loss
        weights_of = getattr(self.loss, "example_weights", None)
        return None if weights_of is None else weights_of(target)


def is_mean_of_parts(loss: Loss, output: Output, target: Tensor) -> bool:
    """Whether the loss of a batch is put together from those of its halves, as `UpdateLoss` does it.

    It is not where a loss brings a reduction of its own, or compares the examples of a batch.

    Args:
        loss: of a batch.
        output: (n, ...), n even, or a tuple of such.
        target: (n, ...).
    """
    half = len(target) // 2
    whole, parted = copy.deepcopy(loss), copy.deepcopy(loss)  # a loss may keep a state that changes in training
    update = UpdateLoss(parted, 2)
    parts = [update.part(_rows(output, part), target[part]) for part in (slice(half), slice(half, None))]
    finished = update.finish(lambda value: value)
    together = torch.stack(parts).mean() * (1.0 if finished is None else finished[0])
    return torch.allclose(together.detach(), whole(output, target).detach(), rtol=1e-3, equal_nan=True)


def _own(loss: Loss) -> losses.Loss:
    assert isinstance(loss, losses.Loss)  # `require_weighable` refuses others
    return loss


def require_weighable(name: str, loss: Loss) -> None:
    """Refuse a loss that cannot count examples by their weights.

    Raises:
        UserError: it is no `lossbench.losses.Loss`, or reduces a batch its own way.
    """
    if not isinstance(loss, losses.Loss) or reduces_its_own_way(loss):
        raise UserError(
            f"loss={name} reduces a batch its own way, and the training examples have weights: give it per_example "
            "alone (a lossbench.losses.Loss without forward and reduce), or leave out data.weight"
        )


def reduces_its_own_way(loss: Loss) -> bool:
    """Whether a subclass has replaced what divides by `example_weights`."""
    if not isinstance(loss, losses.Loss):
        return False
    kind = type(loss)
    return (kind.reduce, kind.forward) != (losses.Loss.reduce, losses.Loss.forward)


def _times(values: Tensor, weight: Tensor | None) -> Tensor:
    return values if weight is None else values * weight


def _rows(output: Output, part: slice) -> Output:
    return output[part] if isinstance(output, Tensor) else type(output)(*(each[part] for each in output))


def own_parameters(loss: Loss) -> list[torch.nn.Parameter]:
    """The parameters of a loss that are trained with the model's."""
    return [each for each in loss.parameters() if each.requires_grad] if isinstance(loss, torch.nn.Module) else []
