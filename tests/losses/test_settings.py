"""Hyper-parameters of a loss's module: changed later, given as tensors and arrays, or learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lossbench import losses
from lossbench.losses.case import Case, examples
from tests.cases import CASES

WEIGHTS = [1.0, 2.0, 0.5, 0.0, 3.0]
OF_CLASSES = [
    (losses.CrossEntropy, "weight"),
    (losses.BCE, "weight"),
    (losses.Focal, "weight"),
    (losses.LogitAdjusted, "class_counts"),
    (losses.ClassBalanced, "class_counts"),
    (losses.Seesaw, "class_counts"),
]
NUMBERS = [pytest.param(case, name, id=f"{case.name}-{name}") for case in CASES for name in case.sweep]


@pytest.mark.parametrize("case", [case for case in CASES if len(case.settings) > 1], ids=lambda case: case.name)
def test_a_setting_changed_later_is_the_one_it_is_built_with(case: Case) -> None:
    logits, target, _ = examples()
    for setting in case.settings[1:]:
        changed, built = case.module(), case.module(**setting)
        for name in sorted(built.hyper_parameters(), reverse=True):  # a beta of cosine_prob allows an alpha
            setattr(changed, name, getattr(built, name))
        assert repr(changed) == repr(built)
        torch.testing.assert_close(changed(case.output(logits), target), built(case.output(logits), target))


@pytest.mark.parametrize(
    ("module", "name", "wrong", "message"),
    [
        (losses.Power, "q", float("nan"), "q must be a finite number, got nan"),
        (losses.Power, "q", torch.tensor([0.1, 0.2]), r"q must be a finite number, got \[0.1"),
        (losses.Power, "reduction", "avg", "reduction must be one of none, mean, sum, got 'avg'"),
        (losses.CosineProb, "alpha", 3.0, "alpha must be > 0 and at most 2, got 3"),
        (losses.CrossEntropy, "weight", np.zeros(3), "weight must be null or a list with one number >= 0"),
        (losses.LogitAdjusted, "class_counts", [1, 0], "class_counts must be null"),
    ],
)
def test_a_wrong_setting_is_refused_and_the_old_one_stays(module: Any, name: str, wrong: Any, message: str) -> None:
    loss = module()
    before = repr(loss)
    with pytest.raises(ValueError, match=message):
        setattr(loss, name, wrong)
    with pytest.raises(ValueError, match=message):
        module(**{name: wrong})
    assert repr(loss) == before


@pytest.mark.parametrize(("module", "name"), OF_CLASSES, ids=lambda value: getattr(value, "__name__", value))
def test_numbers_of_the_classes_may_be_lists_tensors_or_arrays(module: Any, name: str) -> None:
    logits, target, _ = examples()
    numbers = [weight + 0.25 for weight in WEIGHTS]
    listed = module(**{name: numbers})
    for given in (torch.tensor(numbers), np.array(numbers), tuple(numbers)):
        loss = module(**{name: given})
        assert repr(loss) == repr(listed)
        assert torch.equal(loss(logits, target), listed(logits, target))
    with pytest.raises(TypeError, match="item assignment"):  # it would not reach the device
        getattr(listed, name)[0] = 7.0
    plain = module()(logits, target)
    assert not torch.equal(listed(logits, target), plain)
    setattr(listed, name, None)
    assert torch.equal(listed(logits, target), plain)


@pytest.mark.parametrize(("case", "name"), NUMBERS)
def test_a_number_may_be_learned(case: Case, name: str) -> None:
    """It is among the parameters, and its gradient is the slope."""
    logits, target, soft = examples()
    value, step = float(case.sweep[name][1]), 1e-6
    learned = nn.Parameter(torch.tensor(value, dtype=torch.float64))
    module: Any = case.module
    counted = "class_counts" in module().hyper_parameters()
    given: dict[str, Any] = {"class_counts": [1.0, 20.0, 5.0, 100.0, 3.0]} if counted else {}
    loss = module(**{name: learned}, **given, reduction="sum")
    assert dict(loss.named_parameters()) == {name: learned}
    for t in case.targets(target, soft):
        learned.grad = None
        found = loss(case.output(logits), t)
        found.backward()
        lower, same, upper = (case(logits, t, {name: value + h, **given}).sum() for h in (-step, 0, step))
        torch.testing.assert_close(found.detach(), same)
        assert learned.grad is not None
        torch.testing.assert_close(learned.grad, (upper - lower) / (2 * step), rtol=1e-4, atol=1e-6)
    number = module(**{name: learned.detach()})
    assert not list(number.parameters())
    assert getattr(number, name) == value


@pytest.mark.parametrize(("module", "name"), OF_CLASSES, ids=lambda value: getattr(value, "__name__", value))
def test_numbers_of_the_classes_may_be_learned(module: Any, name: str) -> None:
    logits, target, _ = examples()
    learned = nn.Parameter(torch.tensor([1.0, 2.0, 0.5, 0.25, 3.0]))
    loss, fixed = module(**{name: learned}), module(**{name: learned.tolist()})
    torch.testing.assert_close(loss(logits, target), fixed(logits, target))
    (gradient,) = torch.autograd.grad(loss(logits, target), learned)
    assert gradient.abs().max() > 0


@dataclass
class Offset:
    offset: float = 0.5


@dataclass(eq=False)
class Shifted(Offset, losses.Loss):
    factor: float = 2.0

    def per_example(self, output: Any, target: torch.Tensor) -> torch.Tensor:
        return self.factor * losses.cross_entropy(output, target) + self.offset


def test_building_a_loss_changes_no_class_and_hides_no_parameter() -> None:
    kinds: list[tuple[Any, str, float]] = [(Shifted, "factor", 2.0), (Offset, "offset", 0.5), (losses.Power, "q", 0.7)]
    for _ in range(2):
        assert [getattr(kind, name) for kind, name, _ in kinds] == [value for *_, value in kinds]
        plain, offset = Shifted(), nn.Parameter(torch.tensor(3.0))
        assert (plain.factor, plain.offset, Offset().offset, losses.Power().q) == (2.0, 0.5, 0.5, 0.7)
        learned: Any = Shifted(offset=offset)  # pyright: ignore[reportArgumentType]
        assert learned.offset is offset


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_batch_without_weight_has_loss_0(smoothing: float) -> None:
    logits, _, _ = examples()
    loss = losses.CrossEntropy(weight=WEIGHTS, label_smoothing=smoothing)
    value = loss(logits.requires_grad_(), torch.full((len(logits),), 3))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))
