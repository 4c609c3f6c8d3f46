"""What all losses share: the module around a pure function."""

import copy
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lossbench.config.rules import check_loss
from lossbench.losses.values import Numbers, weighted_mean
from lossbench.losses.values import expected as expected  # where losses of one's own find it, as scores
from lossbench.losses.values import scores as scores


def plain(value: Any) -> Any:
    """Give the numbers of a tensor or an array as Python has them; other values as they are."""
    return value.tolist() if hasattr(value, "tolist") else value


def is_learnable(value: object) -> bool:
    """Whether it is a tensor that gradients flow into."""
    return isinstance(value, Tensor) and value.requires_grad


def _frozen(numbers: Any) -> Any:
    """Make tuples of lists, also of those inside."""
    return tuple(map(_frozen, numbers)) if isinstance(numbers, Sequence) else numbers


def _buffer_of(name: str) -> str:
    return f"{name}_by_class"


class _Default:
    """A class attribute that hides no parameter of an instance, as the plain value that a dataclass leaves would."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self.value
        raise AttributeError  # nn.Module looks among its parameters next


def _uncover_parameters(cls: type) -> None:
    """Put a `_Default` in place of each field's default, in this class alone: its bases may be no losses."""
    for each in fields(cls):
        covered = not isinstance(cls.__dict__.get(each.name), _Default)
        if covered and each.default is not MISSING and getattr(cls, each.name, MISSING) is each.default:
            setattr(cls, each.name, _Default(each.default))


@dataclass(eq=False)
class Loss(nn.Module, ABC):
    """A loss function with its hyper-parameters. Subclasses are final dataclasses around a pure function.

    A hyper-parameter that is set after construction is checked, and used from then on. Tensors and arrays of numbers
    are accepted, and an nn.Parameter is learned.
    """

    function: ClassVar[Callable[..., Tensor]]
    soft_targets: ClassVar[bool] = True
    takes_cosines: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    per_class: ClassVar[tuple[str, ...]] = ()
    """Hyper-parameters with a number or a row for each class; buffers hold them too, copied to a device once."""
    constant_factors: ClassVar[bool] = False
    """Whether the gradient takes factors that depend on the outputs for constants: it is not the slope of the value."""
    schedule: ClassVar[tuple[str, ...]] = ()
    """Hyper-parameters that say how others follow the progress of training; the pure function does not take them."""

    reduction: str = field(default="mean", kw_only=True)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the bare module, so that a dataclass's generated __init__ can set its attributes."""
        if cls is Loss:
            raise TypeError("Loss is abstract: build one of its subclasses")
        _uncover_parameters(cls)
        self = super().__new__(cls)
        nn.Module.__init__(self)
        return self

    def __post_init__(self) -> None:
        """Refuse hyper-parameters that are not allowed together."""
        check_loss(type(self).__name__, self._numbers())

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; a hyper-parameter must be allowed.

        Raises:
            ValueError: it is not; the loss keeps the one that it has.
        """
        if name not in {each.name for each in fields(self)}:
            super().__setattr__(name, value)
            return
        numbers = plain(value)
        check_loss(type(self).__name__, {**self._numbers(), name: numbers})
        if name in self.per_class:
            value = self._keep(name, value, numbers)
        elif isinstance(numbers, int | float) and not is_learnable(value):
            value = numbers
        super().__setattr__(name, value)

    def _numbers(self) -> dict[str, Any]:
        """The hyper-parameters that are set so far, as plain numbers."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self) if hasattr(self, each.name)}

    def _keep(self, name: str, value: Any, numbers: Sequence[float] | None) -> Any:
        """Keep the numbers of the classes in a buffer, on the device of those before; give what the attribute holds.

        Tuples, because a change inside of a list would not reach the buffer.
        """
        learnable = numbers is None or is_learnable(value)
        before, buffer = self._buffers.get(_buffer_of(name)), None
        if not learnable:
            buffer = torch.tensor(numbers, dtype=torch.float64).float()
            buffer = buffer if before is None else buffer.to(before)
        self.register_buffer(_buffer_of(name), buffer, persistent=False)
        return value if learnable else _frozen(numbers)

    @property
    def exceeds_fp16(self) -> bool:
        """Whether the gradient with respect to the logits can exceed float16's range."""
        return False

    def hyper_parameters(self) -> dict[str, Any]:
        """Give the keyword arguments of the pure function: all fields but the reduction."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "reduction"}

    def arguments(self) -> dict[str, Any]:
        """Give the hyper-parameters as the pure function takes them: numbers of classes as tensors on the device."""
        kept = {name: self._buffers.get(_buffer_of(name)) for name in self.per_class}
        found = self.hyper_parameters() | {name: tensor for name, tensor in kept.items() if tensor is not None}
        return {name: value for name, value in found.items() if name not in self.schedule}

    def with_numbers(self, numbers: Mapping[str, Tensor]) -> Self:
        """Give a copy with other numbers, unchecked: those of one of many settings that are computed at once.

        Args:
            numbers: hyper-parameter -> a number, or (C,) numbers of the classes.
        """
        copied = copy.copy(self)
        vars(copied).update(numbers)
        by_class = {_buffer_of(name): numbers[name].float() for name in self.per_class if name in numbers}
        vars(copied)["_buffers"] = {**self._buffers, **by_class}
        return copied

    def numbers_at(self, progress: Tensor) -> dict[str, Tensor]:
        """Give the hyper-parameters that follow the progress of training, as they are there; none by default.

        Args:
            progress: steps done / steps of the whole training, (), float64, within [0, 1].

        Returns:
            hyper-parameter -> its number, computed by operations on tensors: a step may be traced once for all steps.
        """
        return {}

    def at(self, progress: Tensor | float) -> Self:
        """Give the loss as it is at a share of the training: itself where no number follows it.

        Args:
            progress: steps done / steps of the whole training, within [0, 1]. A loss is measured at 1.
        """
        numbers = self.numbers_at(torch.as_tensor(progress, dtype=torch.float64))
        return self.with_numbers(numbers) if numbers else self

    def per_example(self, output: Any, target: Tensor) -> Tensor:
        """Give one value per example: (batch,)."""
        return self.function(output, target, **self.arguments())

    def terms(self, output: Any, target: Tensor) -> dict[str, Tensor]:
        """Give the named (batch,) parts that add up to `per_example`; none for a loss of one term."""
        return {}

    def example_weights(self, target: Tensor) -> Tensor | None:
        """Give the weights whose sum the mean divides by: (batch,); None where it divides by the number of examples."""
        return None

    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        """Reduce the values of `per_example` as `reduction` says."""
        if self.reduction == "none":
            return values
        if self.reduction == "sum":
            return values.sum()
        weights = self.example_weights(target)
        return values.mean() if weights is None else weighted_mean(values, weights)

    def forward(self, output: Any, target: Tensor) -> Tensor:
        """Give the reduced loss: a scalar, or (batch,) for the reduction none."""
        return self.reduce(self.per_example(output, target), target)

    def weighted(self, output: Any, target: Tensor, weight: Tensor) -> Tensor:
        """Give the loss of examples that count differently: sum_i w_i l_i / sum_i w_i, or the sum for that reduction.

        Args:
            output: of the model, (batch, ...).
            target: (batch, ...).
            weight: w, of each example, (batch,), > 0; class weights are multiplied in.
        """
        values = self.per_example(output, target) * weight
        return values.sum() if self.reduction == "sum" else weighted_mean(values, self.combined(target, weight))

    def combined(self, target: Tensor, weight: Tensor) -> Tensor:
        """Give the weights of examples with those of their classes multiplied in: (batch,)."""
        of_classes = self.example_weights(target)
        return weight if of_classes is None else weight * of_classes

    def logits(self, output: Any) -> Tensor:
        """Give what a softmax turns into class probabilities: (batch, classes)."""
        return output

    def scale_prior(self, classes: int) -> tuple[float, float]:
        """Give what calibration expects of the factor s on the logits before any example.

        Args:
            classes: C.

        Returns:
            The median of s and the standard deviation of log s: (1, 0.5) of logits that are trained as such.
        """
        return 1.0, 0.5


@dataclass(eq=False)
class ClassWeighted(Loss):
    """A loss whose classes may count differently."""

    per_class: ClassVar[tuple[str, ...]] = ("weight",)

    weight: Numbers = None
