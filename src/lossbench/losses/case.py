"""A loss with what the laws need to test it, and their examples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lossbench.losses.base import Loss

BATCH, CLASSES = 7, 5
Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A loss, and the settings and inputs to test it with.

    Args:
        name: of its YAML in conf/loss.
        module: its class.
        function: its pure function.
        reference: the same for one row of logits (a numpy array) and a class index, written naively; None where there
            is none.
        settings: hyper-parameters to try.
        sweep: values of one hyper-parameter that are to be computed at once.
        shift_invariant: whether adding a number to all logits changes nothing; None claims neither.
        output: makes of logits what the loss takes.
        soft_targets: whether it takes class probabilities.
        ordered: whether its classes have an order, so that no law of classes in any order holds.
    """

    name: str
    module: type[Loss]
    function: Callable[..., Tensor]
    reference: Callable[..., float] | None = None
    settings: tuple[dict[str, Any], ...] = ({},)
    sweep: dict[str, list[float]] = field(default_factory=dict)
    shift_invariant: bool | None = True
    output: Callable[[Tensor], Any] = lambda logits: logits
    soft_targets: bool = True
    ordered: bool = False

    def targets(self, index: Tensor, soft: Tensor) -> tuple[Tensor, ...]:
        """The kinds of target that the loss takes."""
        return (index, soft) if self.soft_targets else (index,)

    def __call__(self, logits: Tensor, target: Tensor, setting: Setting) -> Tensor:
        """Compute the loss of logits."""
        return self.function(self.output(logits), target, **setting)


def case_of(module: type[Loss]) -> Case:
    """Make a case from a class alone: its defaults, and numbers near them."""
    loss = module()
    settings = {name: value for name, value in loss.hyper_parameters().items() if name not in loss.schedule}
    numbers = {name: value for name, value in settings.items() if type(value) is float}
    sweep = {name: [0.9 * value, value, 0.95 * value] for name, value in numbers.items()}
    return Case(module.__name__, module, module.function, sweep=sweep, shift_invariant=None)


def examples(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Give logits (batch, C), class indices (batch,) and soft targets (batch, C)."""
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64)
    soft = torch.softmax(logits.flip(0), -1)
    return logits.to(dtype), torch.randint(CLASSES, (BATCH,), generator=generator), soft


def value_and_grad(case: Case, logits: Tensor, target: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
    """Give the values (batch,) and the gradient of their sum."""
    leaf = logits.clone().requires_grad_()
    values = case(leaf, target, setting)
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]
