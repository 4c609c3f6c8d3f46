"""Whether model, losses and data fit together, seen on a few examples before training begins."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lossbench.config.parse import Node
from lossbench.config.rules import check_task
from lossbench.data.module import DataModule
from lossbench.data.source import OF_CLASSES, ONE_CLASS, Source
from lossbench.errors import UserError, one_line
from lossbench.training.divergence import hyper_parameters_of, not_the_learning_rate
from lossbench.training.evaluation import (
    Evaluation,
    Loss,
    Output,
    measure,
    raw,
)

MISFITS = (ValueError, AttributeError, TypeError, IndexError, RuntimeError)
"""What a module raises for a tensor that it was not made for."""
AMPLIFIED = 1e4  # inputs so many times as large show whether outputs are bounded


class Tried(NamedTuple):
    """What a model gives for a few examples, in evaluation mode.

    Args:
        output: for the examples.
        bound: the largest of its numbers for inputs `AMPLIFIED` times as large, where it was looked for; cosines stay
            within 1.
        target: of the examples, as evaluation has them.
    """

    output: Output
    bound: float
    target: Tensor


def require_task(name: str, loss: Loss, data: str, task: str) -> None:
    """Refuse a loss that says it is for another task; of a loss in a user's own file it is known only now.

    Raises:
        UserError: names the losses that fit.
    """
    try:
        check_task(name, getattr(loss, "tasks", ("classification",)), data, task)
    except ValueError as error:
        raise UserError(str(error)) from error


def try_model(model: nn.Module, source: Source, inputs: Tensor, target: Tensor, *, find_bound: bool = True) -> Tried:
    """Put a few examples through a model.

    Args:
        model: is left in the mode that it is in.
        source: the data set.
        inputs: (n, ...).
        target: (n, ...), as evaluation has them.
        find_bound: whether a loss may ask how large outputs become.

    Raises:
        UserError: the model does not take such inputs, or gives another number of logits than there are classes.
    """
    with evaluating(model), torch.no_grad():
        try:
            output = model(inputs)
            bound = float(raw(model(AMPLIFIED * inputs)).abs().max()) if find_bound else 0.0
        except MISFITS as error:
            shape = tuple(inputs.shape[1:])
            raise UserError(f"the model does not fit inputs of shape {shape}: {one_line(error)}") from error
    _require_logits(output, source, len(inputs))
    return Tried(output, bound, target)


@contextmanager
def evaluating(*modules: object) -> Iterator[None]:
    """Put modules into evaluation mode for a while: what a loss does in training alone is not tried."""
    before = [(module, module.training) for module in modules if isinstance(module, nn.Module)]
    for module, _ in before:
        module.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.train(training)


def few_examples(data: DataModule) -> tuple[Tensor, Tensor]:
    """Give targets of the training split, (n, ...), and inputs of the right shape, which are 1 everywhere."""
    source = data.source
    target = torch.from_numpy(data.split("train").targets[: number_tried(source)])
    members = (source.members,) if source.members > 1 else ()
    return torch.ones(len(target), *members, *source.input_shape), target


def number_tried(source: Source) -> int:
    """How many examples are tried: metrics of other tasks than classification need more than two."""
    return 2 if source.task in ONE_CLASS else 64


def try_losses(
    loss: Loss, yardsticks: Mapping[str, Loss], tried: Tried, data: DataModule, uneven: Sequence[int] | None = None
) -> list[str]:
    """Put what a model gives through its losses and metrics, in evaluation mode.

    Args:
        loss: with which the run is trained.
        yardsticks: with which it is measured.
        tried: what the model gives.
        data: the examples.
        uneven: training examples of each class, where they are uneven.

    Returns:
        The names of what will be measured.

    Raises:
        UserError: a loss refuses the model's output.
    """
    if getattr(loss, "takes_cosines", False) and tried.bound > 1.001:
        raise UserError(
            f"the loss takes cosines, and the model gives numbers up to {tried.bound:.3g}; "
            "leave out head=... so that the loss brings its own"
        )
    with evaluating(loss, *yardsticks.values()):
        _require_accepted("loss", loss, tried.output, softened(loss, tried.target, data))
        for name, yardstick in yardsticks.items():
            _require_accepted(f"yardsticks.{name}", yardstick, raw(tried.output), tried.target)
        task, target = data.source.task, tried.target
        evaluation = Evaluation(tried.output, torch.zeros_like(target) if task in ONE_CLASS else target)
        counts = None if uneven is None else torch.tensor(uneven)
        return list(measure(loss, yardsticks, evaluation, task=task, train_counts=counts))


def require_finite(node: Node, loss: Loss, output: Output, target: Tensor) -> None:
    """Require that training can begin: output, loss and gradient are finite with the initial weights.

    Args:
        node: the loss in the configuration.
        loss: built from it.
        output: of the model, (n, ...).
        target: (n, ...), as training has them.

    Raises:
        UserError: names the hyper-parameters of the loss, or the model and the data.
    """
    parts = output if isinstance(output, tuple) else (output,)
    if not _finite(parts):
        raise UserError(
            "the model gives numbers that are not finite for the first training examples, with its initial weights; "
            "check the inputs (nan, infinite or very large ones), then the model"
        )
    leaves = [part.detach().clone().requires_grad_() for part in parts]
    with evaluating(loss):
        value = loss(type(output)(*leaves) if isinstance(output, tuple) else leaves[0], target)
    if value.ndim:
        raise UserError(f"loss={node.name} must give one number for a batch, and gives {tuple(value.shape)}")
    if not value.requires_grad:
        raise UserError(f"loss={node.name} has no gradient: its value does not depend on the model's output")
    cure = not_the_learning_rate(hyper_parameters_of(loss))
    if not math.isfinite(number := value.item()):
        raise UserError(f"loss={node.name} is {number:g} for the first examples, {cure}")
    if not _finite(torch.autograd.grad(value, leaves, allow_unused=True)):
        raise UserError(f"loss={node.name} has a gradient that is not finite, {cure}")


def _finite(tensors: Iterable[Tensor | None]) -> bool:
    return all(tensor is None or bool(tensor.isfinite().all()) for tensor in tensors)


def softened(loss: Loss, target: Tensor, data: DataModule) -> Tensor:
    """Give targets as training does: one-hot where the augmentation mixes classes.

    Raises:
        UserError: the loss takes class indices alone.
    """
    if not (data.augment and data.augment.soft):
        return target
    name = data.augment.soft[0]
    if not getattr(loss, "soft_targets", False):
        given = getattr(data.augment, name)
        raise UserError(
            f"augment.{name}={given} makes targets of several classes, which this loss does not take; "
            f"use augment.{name}=0"
        )
    return nn.functional.one_hot(target, data.source.num_classes).float()


def _require_logits(output: Any, source: Source, n: int) -> None:
    """Require one logit for each class: an index beyond them would be an error inside a loss, or none at all."""
    found = output[-1] if isinstance(output, tuple) and output else output
    if not isinstance(found, Tensor):
        raise UserError(f"the model must give a tensor, or a tuple whose last part is one, got {type(found).__name__}")
    wanted = (n, source.num_classes)
    if source.task in OF_CLASSES and found.shape != wanted:
        raise UserError(
            f"the model must give logits of shape {wanted}, one for each of the {source.num_classes} classes, "
            f"and gives {tuple(found.shape)}; model and head take the number of classes from the data, leave it out"
        )


def _require_accepted(where: str, loss: Loss, output: Output, target: Tensor) -> None:
    try:
        loss.per_example(output, target)
    except MISFITS as error:
        raise UserError(f"{where} does not fit the model's output: {one_line(error)}") from error
