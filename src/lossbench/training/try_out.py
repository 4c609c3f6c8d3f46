"""Whether model, losses and data fit together, seen on a few examples before training begins."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lossbench.config.rules import check_task
from lossbench.data.module import DataModule
from lossbench.errors import UserError, one_line
from lossbench.training.evaluation import Evaluation, Loss, Output, measure, raw


def require_task(name: str, loss: Loss, data: str, task: str) -> None:
    """Refuse a loss that says it is for another task; of a loss in a user's own file it is known only now.

    Raises:
        UserError: names the losses that fit.
    """
    try:
        check_task(name, getattr(loss, "tasks", ("classification",)), data, task)
    except ValueError as error:
        raise UserError(str(error)) from error


def try_out(model: nn.Module, loss: Loss, yardsticks: Mapping[str, Loss], data: DataModule) -> list[str]:
    """Put a few examples through everything, so that what does not fit together is reported before training begins.

    Returns:
        The names of what will be measured.

    Raises:
        UserError: a loss refuses the model's output.
    """
    source = data.source
    classifies = source.task == "classification"
    target = torch.from_numpy(data.split("train").targets[: 2 if classifies else 64])
    members = (source.members,) if source.members > 1 else ()
    inputs = torch.ones(len(target), *members, *source.input_shape)
    output = _output_of(model, loss, inputs)
    _require_accepted(loss, yardsticks, output, _softened(loss, target, data))
    evaluation = Evaluation(output, torch.zeros(len(inputs), dtype=torch.int64) if classifies else target)
    return list(measure(loss, yardsticks, evaluation, task=source.task))


def _softened(loss: Loss, target: Tensor, data: DataModule) -> Tensor:
    """Targets as training gives them: one-hot where the augmentation mixes classes."""
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


def _output_of(model: nn.Module, loss: Loss, inputs: Tensor) -> Output:
    """The model's output in evaluation mode; for a loss that takes cosines it must not exceed 1."""
    training = model.training
    model.eval()
    with torch.no_grad():
        try:
            output = model(inputs)
        except (RuntimeError, ValueError, TypeError) as error:
            shape = tuple(inputs.shape[1:])
            raise UserError(f"the model does not fit inputs of shape {shape}: {one_line(error)}") from error
        largest = float(raw(model(1e4 * inputs)).abs().max()) if getattr(loss, "takes_cosines", False) else 0.0
    model.train(training)
    if largest > 1.001:
        raise UserError(
            f"the loss takes cosines, and the model gives numbers up to {largest:.3g}; "
            "leave out head=... so that the loss brings its own"
        )
    return output


def _require_accepted(loss: Loss, yardsticks: Mapping[str, Loss], output: Output, target: Tensor) -> None:
    tried = [("loss", loss, output), *((f"yardsticks.{name}", each, raw(output)) for name, each in yardsticks.items())]
    for where, each, given in tried:
        try:
            each.per_example(given, target)
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{where} does not fit the model's output: {one_line(error)}") from error
