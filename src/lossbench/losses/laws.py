"""What holds for every classification loss: plain functions that raise AssertionError where it does not.

`laws_of` lists them for a loss, `broken_laws` runs them.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional as F
from torch.testing import assert_close

from lossbench.losses.case import BATCH, CLASSES, Case, Setting, examples, value_and_grad


def values_match_the_naive_reference(case: Case, setting: Setting) -> None:
    """In float64 the values are those of a reference in plain Python."""
    logits, target, _ = examples()
    values = case(logits, target, setting)
    assert values.dtype == torch.float64, f"float64 logits gave {values.dtype}"
    if case.reference is not None:
        naive = [case.reference(row.numpy(), int(y), **setting) for row, y in zip(logits, target, strict=True)]
        assert_close(values, torch.tensor(naive, dtype=torch.float64), rtol=1e-10, atol=1e-12)


def one_value_for_each_example(case: Case, setting: Setting) -> None:
    """The function gives (batch,) values for indices and soft targets; the module reduces them as it says."""
    logits, target, soft = examples(torch.float32)
    output = case.output(logits)
    for t in case.targets(target, soft):
        values = case(logits, t, setting)
        assert values.shape == (BATCH,), f"{BATCH} examples gave values of shape {tuple(values.shape)}"
        assert_close(case.module(**setting, reduction="none")(output, t), values)
        assert_close(case.module(**setting, reduction="sum")(output, t), values.sum())
        if "weight" not in setting:  # the mean of a weighted loss divides by the weights
            assert_close(case.module(**setting)(output, t), values.mean())


def the_true_class_should_rise(case: Case, setting: Setting) -> None:
    """Where all logits are equal, most examples want their true class higher."""
    _, target, _ = examples()
    _, gradient = value_and_grad(case, torch.zeros(BATCH, CLASSES, dtype=torch.float64), target, setting)
    slopes = gradient.gather(-1, target.unsqueeze(-1))
    assert (slopes < 0).sum() > BATCH // 2, (
        f"at chance the slopes of the true class's score are {slopes.flatten().tolist()}"
    )


def a_soft_target_gives_the_expected_loss(case: Case, setting: Setting) -> None:
    """A target of probabilities gives the mean of the classes' losses under them."""
    logits, _, soft = examples()
    each = torch.stack([case(logits, torch.full((BATCH,), c), setting) for c in range(CLASSES)], -1)
    assert_close(case(logits, soft, setting), (soft * each).sum(-1), rtol=1e-10, atol=1e-12)


def a_one_hot_target_is_the_index(case: Case, setting: Setting) -> None:
    """A one-hot target gives the value and the gradient of its index."""
    logits, target, _ = examples()
    one_hot = F.one_hot(target, CLASSES).double()
    for hard, soft in zip(
        value_and_grad(case, logits, target, setting), value_and_grad(case, logits, one_hot, setting), strict=True
    ):
        assert_close(soft, hard)


def the_gradient_is_the_slope(case: Case, setting: Setting) -> None:
    """Gradients agree with finite differences."""
    logits, target, soft = examples()
    for t in case.targets(target, soft):
        assert torch.autograd.gradcheck(lambda z, t=t: case(z, t, setting), logits.requires_grad_())


def the_terms_add_up(case: Case, setting: Setting) -> None:
    """The named parts of a loss, where it has any, add up to it."""
    logits, target, _ = examples()
    loss, output = case.module(**setting), case.output(logits)
    if terms := loss.terms(output, target):
        assert_close(sum(terms.values()), loss.per_example(output, target))


EXTREMES = {
    "right": [1e4, -1e4, -1e4, -1e4, -1e4],
    "wrong": [-1e4, 1e4, -1e4, -1e4, -1e4],
    "right100": [100.0, -100, 0, 0, 0],
    "wrong100": [-100.0, 100, 0, 0, 0],
    "equal": [1e4] * 5,
    "negative": [-1e4] * 5,
    "zero": [0.0] * 5,
}


def extremes_stay_finite(case: Case, setting: Setting) -> None:
    """Values, in float32, and gradients are finite for logits of +-1e4 in float32, bfloat16 and float16."""
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        excused = dtype == torch.float16 and case.module(**setting).exceeds_fp16
        for name, row in EXTREMES.items():
            logits, target = torch.tensor([row] * 2, dtype=dtype), torch.tensor([0, 0])
            for t in (target, *[F.one_hot(target, CLASSES).float(), torch.full((2, CLASSES), 0.2)] * case.soft_targets):
                values, gradient = value_and_grad(case, logits, t, setting)
                where = f"{name} logits in {dtype}"
                assert values.dtype == torch.float32, f"{where}: computed in {values.dtype}"
                assert values.isfinite().all(), f"{where}: {values.tolist()}"
                assert excused or gradient.isfinite().all(), f"{where}: the gradient is {gradient.tolist()}"


def exceeds_fp16_says_the_truth(case: Case, setting: Setting) -> None:
    """`exceeds_fp16` is true where a gradient is beyond float16's range."""
    worst = torch.tensor([[-1e4, 1e4, 0, 0, 0], [-1e3, 1e3, 0, 0, 0], [-10.0, 10, 0, 0, 0]])
    _, gradient = value_and_grad(case, worst, torch.zeros(3, dtype=torch.int64), setting)
    says, largest = case.module(**setting).exceeds_fp16, float(gradient.abs().max())
    assert says == (largest > torch.finfo(torch.float16).max), (
        f"exceeds_fp16 is {says}, the largest gradient {largest:.3g}"
    )


def no_example_depends_on_the_others(case: Case, setting: Setting) -> None:
    """An example's value is the same in any order and in any batch."""
    logits, target, _ = examples()
    order = torch.tensor([4, 1, 6, 0])
    assert_close(case(logits[order], target[order], setting), case(logits, target, setting)[order])


def classes_may_come_in_any_order(case: Case, setting: Setting) -> None:
    """Renaming the classes, and with them settings that have a number for each, changes nothing."""
    logits, target, _ = examples()
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = {name: [value[i] for i in order] if isinstance(value, list) else value for name, value in setting.items()}
    assert_close(case(logits[:, order], order.argsort()[target], moved), case(logits, target, setting))


def a_small_step_downhill_lowers_it(case: Case, setting: Setting) -> None:
    """A step against the gradient lowers every example's loss."""
    logits, target, _ = examples()
    values, gradient = value_and_grad(case, logits, target, setting)
    norm = gradient.norm(dim=-1, keepdim=True)
    lower = case(logits - 1e-5 * gradient / norm.clamp_min(1e-12), target, setting)
    moving = norm.squeeze(-1) > 1e-6  # a class of weight 0 has no slope
    assert moving.sum() > BATCH // 2, "most examples have no gradient"
    assert (lower < values)[moving].all(), "a step downhill raises the loss"


def autocast_changes_nothing(case: Case, setting: Setting) -> None:
    """Under autocast float32 logits give the same values and gradients, bfloat16 ones are computed in float32."""
    logits, target, soft = examples(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = [value_and_grad(case, logits, t, setting) for t in case.targets(target, soft)]
        half = case.function(case.output(logits.bfloat16()), target, **setting)
    for t, found in zip(case.targets(target, soft), inside, strict=True):
        assert_close(found, value_and_grad(case, logits, t, setting), rtol=1e-6, atol=1e-6)
    assert_close(half, case.function(_wider(case.output(logits.bfloat16())), target, **setting), rtol=1e-2, atol=1e-2)
    assert half.dtype == torch.float32, f"bfloat16 logits gave {half.dtype}"


def a_module_copies_prints_and_has_no_state(case: Case, setting: Setting) -> None:
    """A module shows its settings, can be copied, and keeps no weights."""
    logits, target, _ = examples()
    loss = case.module(**setting)
    assert repr(loss).startswith(f"{case.module.__qualname__}("), repr(loss)
    assert all(f"{name}={value!r}" in repr(loss) for name, value in setting.items()), repr(loss)
    assert not loss.state_dict(), "weights belong into a head"
    assert_close(copy.deepcopy(loss)(case.output(logits), target), loss(case.output(logits), target))


def shift_invariance_is_as_claimed(case: Case) -> None:
    """Adding a number to all logits changes nothing, or every value where the case says so."""
    logits, target, _ = examples()
    change = (case(logits + 3, target, {}) - case(logits, target, {})).abs()
    if case.shift_invariant is not None:
        assert bool((change < 1e-9).all()) == case.shift_invariant, f"a shift by 3 changes values by {change.tolist()}"
        assert case.shift_invariant or bool((change > 1e-3).all()), f"a shift by 3 changes values by {change.tolist()}"


WRONG = (
    (torch.zeros(5), torch.tensor(1), "logits must be"),
    (torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "logits must be"),
    (torch.zeros(2, 5), torch.zeros(3, dtype=torch.int64), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, 1, dtype=torch.int64), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, 5, dtype=torch.int64), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, 4), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, dtype=torch.int32), "target must be"),
)


def wrong_shapes_and_dtypes_are_refused(case: Case) -> None:
    """Logits and targets that do not fit raise ValueError in one line (lossbench.losses.base.scores checks them)."""
    made = case.output(torch.zeros(2, 5))
    for logits, target, message in WRONG:
        if target.is_floating_point() and not case.soft_targets:
            continue
        said = "nothing"
        try:
            case.function(type(made)(*[logits] * len(made)) if isinstance(made, tuple) else logits, target)
        except ValueError as error:
            said = str(error)
        given = f"logits {tuple(logits.shape)} {logits.dtype} with target {tuple(target.shape)} {target.dtype}"
        assert said.startswith(message), f"of {given} the loss says {said}"


def logits_predict_as_the_output(case: Case) -> None:
    """What a softmax turns into probabilities has a row for each example and the same largest class as the output."""
    logits, _, _ = examples()
    found = case.module().logits(case.output(logits))
    assert found.shape == logits.shape, f"{tuple(logits.shape)} outputs gave logits {tuple(found.shape)}"
    assert_close(found.argmax(-1), logits.argmax(-1))


def many_runs_at_once_are_the_loop(case: Case, setting: Setting) -> None:
    """vmap over logits and targets gives the values and gradients of one batch after another."""
    logits, target, soft = examples()
    for t in case.targets(target, soft):
        stacked, targets = torch.stack([logits, logits.flip(0), 2 * logits]), torch.stack([t, t.flip(0), t])
        leaf = stacked.clone().requires_grad_()
        values = vmap(lambda z, y: case(z, y, setting))(leaf, targets)
        (gradients,) = torch.autograd.grad(values.sum(), leaf)
        for z, y, value, gradient in zip(stacked, targets, values, gradients, strict=True):
            assert_close((value.detach(), gradient), value_and_grad(case, z, y, setting))


def many_settings_at_once_are_the_loop(case: Case, name: str, values: list[float]) -> None:
    """vmap over a hyper-parameter gives the values and gradients of one setting after another."""
    logits, target, soft = examples()

    def total(z: Tensor, h: Tensor | float, t: Tensor) -> Tensor:
        return case(z, t, {name: h}).sum()

    for t in case.targets(target, soft):
        sweep = torch.tensor(values, dtype=torch.float64)
        totals, gradients = vmap(lambda h, t=t: (total(logits, h, t), grad(total)(logits, h, t)))(sweep)
        for h, loss, gradient in zip(values, totals, gradients, strict=True):
            assert_close(loss, total(logits, h, t), rtol=1e-10, atol=1e-12)
            assert_close(gradient, grad(total)(logits, h, t), rtol=1e-10, atol=1e-12)


def many_settings_in_one_backward(case: Case, name: str, values: list[float]) -> None:
    """vmap over logits and a hyper-parameter stays in float32, and one backward pass gives every run its own gradient."""
    logits, target, _ = examples(torch.float32)
    stacked = torch.stack([logits + i / 2 for i in range(len(values))]).requires_grad_()
    members = vmap(lambda z, h: case(z, target, {name: h}))(stacked, torch.tensor(values, dtype=torch.float64))
    assert members.dtype == torch.float32, f"float32 logits gave {members.dtype}"
    (gradients,) = torch.autograd.grad(members.sum(), stacked)
    for z, h, member, gradient in zip(stacked.detach(), values, members, gradients, strict=True):
        assert_close((member, gradient), value_and_grad(case, z, target, {name: h}), rtol=1e-4, atol=1e-5)


def _wider(output: Any) -> Any:
    return type(output)(*(part.float() for part in output)) if isinstance(output, tuple) else output.float()


OF_SOFT_TARGETS = (a_soft_target_gives_the_expected_loss, a_one_hot_target_is_the_index)
OF_SETTINGS = (
    values_match_the_naive_reference,
    one_value_for_each_example,
    the_true_class_should_rise,
    a_soft_target_gives_the_expected_loss,
    a_one_hot_target_is_the_index,
    the_gradient_is_the_slope,
    the_terms_add_up,
    extremes_stay_finite,
    exceeds_fp16_says_the_truth,
    no_example_depends_on_the_others,
    classes_may_come_in_any_order,
    a_small_step_downhill_lowers_it,
    autocast_changes_nothing,
    a_module_copies_prints_and_has_no_state,
    many_runs_at_once_are_the_loop,
)
OF_CASES = (shift_invariance_is_as_claimed, wrong_shapes_and_dtypes_are_refused, logits_predict_as_the_output)
OF_SWEEPS = (many_settings_at_once_are_the_loop, many_settings_in_one_backward)


def laws_of(case: Case) -> Iterator[tuple[Callable[..., None], str, Callable[[], None]]]:
    """List what must hold for a loss: the law, what it is tried on, and a function that raises where it does not hold."""
    for law in OF_CASES:
        yield law, "defaults", partial(law, case)
    for law in (law for law in OF_SETTINGS if case.soft_targets or law not in OF_SOFT_TARGETS):
        for setting in case.settings:
            yield (
                law,
                ",".join(f"{name}={value}" for name, value in setting.items()) or "defaults",
                partial(law, case, setting),
            )
    for law in OF_SWEEPS:
        for name, values in case.sweep.items():
            yield law, name, partial(law, case, name, values)


def broken_laws(case: Case) -> dict[str, str]:
    """Run all laws on a loss: those that do not hold by name, each with what it says and the first reason."""
    broken: dict[str, str] = {}
    for law, tried, check in laws_of(case):
        try:
            check()
        except Exception as error:  # whatever a loss raises is its failure
            reason = " ".join(str(error).split())[:300]
            broken.setdefault(law.__name__, f"{law.__doc__} With {tried}: {type(error).__name__}: {reason}")
    return broken
