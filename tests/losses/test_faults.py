"""Laws find faults: each of these copies of a good loss is wrong in one place, and a law says so."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import pytest
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from lossbench import losses
from lossbench.losses.case import Case, case_of
from lossbench.losses.laws import broken_laws
from lossbench.losses.values import Number, expected, pick, scores
from tests.cases import CASES

POWER, XENT = (next(case for case in CASES if case.name == name) for name in ("power", "cross_entropy"))


def wrong_sign(logits: Tensor, target: Tensor) -> Tensor:
    return pick(torch.log_softmax(scores(logits, target), -1), target)


def mean_for_sum(logits: Tensor, target: Tensor) -> Tensor:
    log_p = torch.log_softmax(scores(logits, target), -1)
    return -(target * log_p).mean(-1) if target.is_floating_point() else -pick(log_p, target)


def broadcast(logits: Tensor, target: Tensor) -> Tensor:
    wide = scores(logits, target)
    if target.is_floating_point():
        return -pick(torch.log_softmax(wide, -1), target)
    return torch.logsumexp(wide, -1) - wide.gather(-1, target.unsqueeze(-1))  # (N,) - (N, 1)


def no_log_sum_exp(logits: Tensor, target: Tensor) -> Tensor:
    wide = scores(logits, target)
    return -pick(wide - wide.exp().sum(-1, keepdim=True).log(), target)


def in_the_logits_dtype(logits: Tensor, target: Tensor) -> Tensor:
    scores(logits, target)
    return -pick(torch.log_softmax(logits, -1), target)


def batch_dependent(logits: Tensor, target: Tensor) -> Tensor:
    values = losses.cross_entropy(logits, target)
    return values * torch.softmax(values, 0).detach() * len(values)


def position_dependent(logits: Tensor, target: Tensor) -> Tensor:
    wide = scores(logits, target)
    return losses.cross_entropy(wide + 0.1 * torch.arange(wide.shape[-1], dtype=wide.dtype), target)


def unchecked_shapes(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none")


def gradient_of_the_wrong_thing(logits: Tensor, target: Tensor) -> Tensor:
    log_p = torch.log_softmax(scores(logits, target), -1)
    return -pick(log_p.exp().detach() * log_p, target)


class _OnceDifferentiable(Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(z, target)
        return losses.cross_entropy(z, target)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        z, target = ctx.saved_tensors
        return torch.softmax(z, -1).sub(F.one_hot(target, z.shape[-1])) * grads[0].unsqueeze(-1), None


def no_second_derivative(logits: Tensor, target: Tensor) -> Tensor:
    if target.is_floating_point():
        return losses.cross_entropy(logits, target)
    values: Any = _OnceDifferentiable.apply(scores(logits, target), target)
    return values


def float_of_a_setting(logits: Tensor, target: Tensor, *, q: Number = 0.7) -> Tensor:
    return losses.power(logits, target, q=float(q))


def condition_on_a_setting(logits: Tensor, target: Tensor, *, q: Number = 0.7) -> Tensor:
    log_p = torch.log_softmax(scores(logits, target), -1)
    return expected(lambda v: -v if q == 0 else torch.expm1(q * v) / -q, log_p, target)


def infinite_slope(logits: Tensor, target: Tensor, *, q: Number = 0.7) -> Tensor:
    log_p = torch.log_softmax(scores(logits, target), -1)
    return expected(lambda v: (1 - v.exp()) ** q, log_p, target)


FAULTS: list[tuple[Callable[..., Tensor], Case, str]] = [
    (wrong_sign, XENT, "values_match_the_naive_reference"),
    (wrong_sign, XENT, "the_true_class_should_rise"),
    (mean_for_sum, XENT, "a_one_hot_target_is_the_index"),
    (broadcast, XENT, "one_value_for_each_example"),
    (no_log_sum_exp, XENT, "extremes_stay_finite"),
    (in_the_logits_dtype, XENT, "extremes_stay_finite"),
    (batch_dependent, XENT, "no_example_depends_on_the_others"),
    (position_dependent, XENT, "classes_may_come_in_any_order"),
    (unchecked_shapes, XENT, "wrong_shapes_and_dtypes_are_refused"),
    (gradient_of_the_wrong_thing, XENT, "the_gradient_is_the_slope"),
    (no_second_derivative, XENT, "the_curvature_is_the_slope_of_the_gradient"),
    (float_of_a_setting, POWER, "many_settings_at_once_are_the_loop"),
    (condition_on_a_setting, POWER, "many_settings_at_once_are_the_loop"),
    (infinite_slope, POWER, "extremes_stay_finite"),
]


def faulty(function: Callable[..., Tensor], case: Case) -> Case:
    """The case with a faulty function in place of the good one, and a module around it."""

    @final
    @dataclass(eq=False)
    class Faulty(losses.Loss):
        function: ClassVar[Callable[..., Tensor]]

    Faulty.function = staticmethod(function)

    @final
    @dataclass(eq=False)
    class FaultyPower(losses.Loss):
        function: ClassVar[Callable[..., Tensor]]

        q: float = 0.7

    FaultyPower.function = staticmethod(function)
    module: type[losses.Loss] = FaultyPower if case is POWER else Faulty
    return replace(case, module=module, function=function, settings=({},), sweep=case.sweep if case is POWER else {})


@pytest.mark.parametrize(
    ("function", "case", "law"), FAULTS, ids=[f"{fault[0].__name__}-{fault[2]}" for fault in FAULTS]
)
def test_a_law_catches_the_fault(function: Callable[..., Tensor], case: Case, law: str) -> None:
    assert law in broken_laws(faulty(function, case))


def test_a_good_loss_breaks_no_law() -> None:
    assert broken_laws(POWER) == {}
    assert broken_laws(case_of(losses.Poly1)) == {}


def test_what_a_loss_declares_is_no_fault() -> None:
    """Settings of a number's path in training, which the function does not take, and factors without a gradient."""

    @final
    @dataclass(eq=False)
    class Falling(losses.Loss):
        function: ClassVar[Callable[..., Tensor]] = staticmethod(losses.focal)
        schedule: ClassVar[tuple[str, ...]] = ("gamma_end",)

        gamma: float = 2.0
        gamma_end: float = 1.0

        def numbers_at(self, progress: Tensor) -> dict[str, Tensor]:
            return {"gamma": self.gamma + (self.gamma_end - self.gamma) * progress}

    @final
    @dataclass(eq=False)
    class Undeclared(losses.Loss):
        function: ClassVar[Callable[..., Tensor]] = staticmethod(losses.seesaw)

    assert broken_laws(case_of(Falling)) == {}
    assert broken_laws(case_of(losses.Seesaw)) == {}
    slopes = {"the_gradient_is_the_slope", "the_curvature_is_the_slope_of_the_gradient"}
    assert set(broken_laws(case_of(Undeclared))) == slopes


def test_a_fault_is_said_in_one_line_with_what_was_tried() -> None:
    said = broken_laws(faulty(float_of_a_setting, POWER))["many_settings_at_once_are_the_loop"]
    assert said.startswith(
        "vmap over a hyper-parameter gives the values and gradients of one setting after another. "
        "With q: RuntimeError: "
    )
    assert "\n" not in said


def test_of_a_class_alone_the_faults_are_found_too() -> None:
    @final
    @dataclass(eq=False)
    class Mine(losses.Loss):
        function: ClassVar[Callable[..., Tensor]] = staticmethod(float_of_a_setting)

        q: float = 0.7

    broken: dict[str, Any] = broken_laws(case_of(Mine))
    assert set(broken) == {"many_settings_at_once_are_the_loop", "many_settings_in_one_backward"}
