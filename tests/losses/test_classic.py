"""Losses of other tasks than classification: published numbers, and what holds for all of them."""

import math
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.func import grad, vmap

from lossbench import losses
from lossbench.atlas.catalog import registered
from lossbench.config.rules import TASKS, tasks_of
from lossbench.config.searched import without_ranges
from tests.classic_cases import CLASSIC, ClassicCase
from tests.losses.test_laws import CONF

BATCH = 7
every_case = pytest.mark.parametrize("case", CLASSIC, ids=lambda case: case.name)
every_setting = pytest.mark.parametrize(
    ("case", "setting"), [pytest.param(c, s, id=f"{c.name}-{s}") for c in CLASSIC for s in c.settings]
)


def examples(case: ClassicCase, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    output = 2 * torch.randn(BATCH, *case.shape, generator=generator, dtype=torch.float64)
    return output.to(dtype), case.target(generator, BATCH).to(dtype)


def value_and_grad(case: ClassicCase, output: Tensor, target: Tensor, **setting: object) -> tuple[Tensor, Tensor]:
    leaf = output.clone().requires_grad_()
    values = case.function(leaf, target, **setting)
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


# -- the published numbers

REALS = (torch.tensor([1.6, 0.5, -2.0]), torch.tensor([0.8, 0, -1.5]))
LOGITS = torch.tensor([[1.5, 1, 0.5, 0.2], [10, -0.3, 0.4, 0.7], [1.2, 5, -1, 5]])
CLASSES = torch.tensor([1, 0, 3])


def mean_and_gradient(loss: losses.Loss, output: Tensor, target: Tensor) -> tuple[float, Tensor]:
    leaf = output.clone().requires_grad_()
    value = loss(leaf, target)
    return value.item(), torch.autograd.grad(value, leaf)[0]


@pytest.mark.parametrize(
    ("loss", "value", "gradient"),
    [
        (losses.L1(), 0.6, [1 / 3, 1 / 3, -1 / 3]),
        (losses.L1(reduction="sum"), 1.8, [1, 1, -1]),
        (losses.MSE(), 0.38, [0.5333, 0.3333, -0.3333]),
        (losses.Huber(), 0.19, [0.26667, 0.16667, -0.16667]),
        (losses.SmoothL1(), 0.19, [0.26667, 0.16667, -0.16667]),
    ],
    ids=["l1", "l1-sum", "mse", "huber", "smooth_l1"],
)
def test_golden_regression(loss: losses.Loss, value: float, gradient: list[float]) -> None:
    found, slope = mean_and_gradient(loss, *REALS)
    assert found == pytest.approx(value, abs=1e-6)
    assert slope.tolist() == pytest.approx(gradient, abs=5e-5)


@pytest.mark.parametrize("loss", [losses.NLL(), losses.CrossEntropy()], ids=["nll", "cross_entropy"])
def test_golden_nll(loss: losses.Loss) -> None:
    value, gradient = mean_and_gradient(loss, LOGITS, CLASSES)
    assert value == pytest.approx(0.67175, abs=5e-6)
    assert gradient[0].tolist() == pytest.approx([0.1483, -0.2434, 0.0546, 0.0404], abs=1e-4)
    assert gradient[2].tolist() == pytest.approx([0.0037, 0.1646, 0.0004, -0.1687], abs=5e-5)


def test_golden_softmax_mse() -> None:
    logits = LOGITS.clone()
    logits[2, 1] = 0
    value, gradient = mean_and_gradient(losses.SoftmaxMSE(), logits, CLASSES)
    assert value == pytest.approx(0.0645, abs=5e-5)
    assert gradient[0].tolist() == pytest.approx([2.9858e-02, -3.4758e-02, 3.3075e-03, 1.5924e-03], rel=5e-5)


def test_nll_is_weighted_by_class() -> None:
    weight = [1.0, 2.0, 0.5, 3.0]
    picked = LOGITS.log_softmax(1)[torch.arange(3), CLASSES]
    w = torch.tensor(weight)[CLASSES]
    loss = losses.NLL(weight=weight)
    assert loss(LOGITS, CLASSES).item() == pytest.approx((-(w * picked).sum() / w.sum()).item(), rel=1e-6)
    torch.testing.assert_close(
        loss(LOGITS, CLASSES), torch.nn.NLLLoss(torch.tensor(weight))(LOGITS.log_softmax(1), CLASSES)
    )
    assert losses.NLL(weight=weight, reduction="sum")(LOGITS, CLASSES).item() == pytest.approx(
        -(w * picked).sum().item(), rel=1e-6
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "target"),
    [
        (losses.BCE(), torch.nn.BCEWithLogitsLoss(), torch.tensor([[1.0, 0, 1, 1], [0, 0, 0, 0], [0.2, 0, 1, 0.5]])),
        (losses.BCE([1, 2, 0, 3]), torch.nn.BCEWithLogitsLoss(torch.tensor([1.0, 2, 0, 3])), torch.eye(4)[CLASSES]),
        (losses.MultiMargin(), torch.nn.MultiMarginLoss(), CLASSES),
        (losses.MultiMargin(margin=0.5, p=2), torch.nn.MultiMarginLoss(margin=0.5, p=2), CLASSES),
        (losses.NLL(), torch.nn.CrossEntropyLoss(), torch.full((3, 4), 0.25)),
    ],
    ids=["bce-multi-hot", "bce-weights", "multi_margin", "multi_margin-2", "nll-soft"],
)
def test_torch_computes_the_same_of_classes(ours: losses.Loss, theirs: torch.nn.Module, target: Tensor) -> None:
    for one, other in zip(
        mean_and_gradient(ours, LOGITS, target), mean_and_gradient(theirs, LOGITS, target), strict=True
    ):  # pyright: ignore[reportArgumentType]
        torch.testing.assert_close(one, other)


def test_bce_probabilities_are_the_sigmoids_shared_out() -> None:
    sigmoid = LOGITS.sigmoid()
    torch.testing.assert_close(losses.BCE().logits(LOGITS).softmax(1), sigmoid / sigmoid.sum(1, keepdim=True))


def test_opposite_vectors_are_the_furthest() -> None:
    a = torch.tensor([[3.0, 4.0]])
    at = [losses.cosine_distance(b, a).item() for b in (2 * a, torch.tensor([[-4.0, 3.0]]), -a)]
    assert at == pytest.approx([0, 1, 2], abs=1e-6)


def test_full_adds_stirlings_term_and_no_gradient() -> None:
    o, t = torch.zeros(5), torch.tensor([0.0, 1, 2, 5, 20])
    difference = losses.poisson_nll(o, t, full=True) - losses.poisson_nll(o, t)
    assert difference[:2].tolist() == [0, 0]
    assert difference[2:].tolist() == pytest.approx([math.lgamma(k + 1) for k in (2, 5, 20)], abs=0.05)
    gradients = [mean_and_gradient(losses.PoissonNLL(full=full), o, t)[1] for full in (False, True)]
    torch.testing.assert_close(*gradients)


# -- what holds for all


@every_setting
def test_values_match_a_naive_reference(case: ClassicCase, setting: dict) -> None:
    output, target = examples(case)
    naive = [case.reference(o.numpy(), t.numpy(), **setting) for o, t in zip(output, target, strict=True)]
    values = case.function(output, target, **setting)
    assert (values.shape, values.dtype) == ((BATCH,), torch.float64)
    torch.testing.assert_close(values, torch.tensor(naive, dtype=torch.float64), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@every_setting
def test_torchs_own_module_agrees(case: ClassicCase, setting: dict, reduction: str) -> None:
    output, target = examples(case)
    theirs = case.theirs(**setting, reduction=reduction)
    ours = case.module(**setting, reduction=reduction)(output, target)
    if reduction == "sum" and output.shape == target.shape and case.name not in ("kl_div", "cosine_distance"):
        ours = ours * output[0].numel()  # torch's sum is over all numbers, ours over the examples' means
    torch.testing.assert_close(ours, theirs(output, target))


@every_setting
def test_reductions_and_terms(case: ClassicCase, setting: dict) -> None:
    output, target = examples(case, torch.float32)
    values = case.function(output, target, **setting)
    torch.testing.assert_close(case.module(**setting, reduction="none")(output, target), values)
    torch.testing.assert_close(case.module(**setting)(output, target), values.mean())
    assert case.module(**setting).terms(output, target) == {}


@every_setting
def test_gradients_are_right(case: ClassicCase, setting: dict) -> None:
    output, target = examples(case)
    assert torch.autograd.gradcheck(lambda o: case.function(o, target, **setting), output.requires_grad_())


@every_setting
def test_a_step_downhill_lowers_it(case: ClassicCase, setting: dict) -> None:
    output, target = examples(case)
    values, gradient = value_and_grad(case, output, target, **setting)
    moving = gradient.flatten(1).norm(dim=1) > 1e-6
    assert moving.any()
    assert (case.function(output - 1e-6 * gradient, target, **setting) < values)[moving].all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("pattern", [(1e4, -1e4), (-1e4, 1e4), (1e4, 1e4), (0.0, 0.0), (60.0, 61.0)], ids=str)
@every_setting
def test_large_outputs_stay_finite(
    case: ClassicCase, setting: dict, pattern: tuple[float, float], dtype: torch.dtype
) -> None:
    target = examples(case, dtype)[1]
    output = torch.tensor(pattern, dtype=dtype).repeat(math.prod(case.shape))[: math.prod(case.shape)].view(case.shape)
    values, gradient = value_and_grad(case, output.expand(BATCH, *case.shape), target, **setting)
    assert values.dtype == torch.float32
    assert values.isfinite().all()
    if not (dtype == torch.float16 and case.module(**setting).exceeds_fp16):
        assert gradient.isfinite().all()


@every_setting
def test_the_order_of_examples_does_not_matter(case: ClassicCase, setting: dict) -> None:
    output, target = examples(case)
    order = torch.randperm(BATCH, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        case.function(output[order], target[order], **setting), case.function(output, target, **setting)[order]
    )


@pytest.mark.parametrize(
    ("case", "name", "values"), [pytest.param(c, n, v, id=f"{c.name}-{n}") for c in CLASSIC for n, v in c.sweep.items()]
)
def test_vmap_is_the_loop(case: ClassicCase, name: str, values: list[float]) -> None:
    output, target = examples(case)

    def total(o: Tensor, h: Any) -> Tensor:
        return case.function(o, target, **{name: h}).sum()

    found = vmap(lambda h: (total(output, h), grad(total)(output, h)))(torch.tensor(values, dtype=torch.float64))
    for h, value, gradient in zip(values, *found, strict=True):
        torch.testing.assert_close(value, total(output, h))
        torch.testing.assert_close(gradient, grad(total)(output, h))


@every_setting
def test_autocast_computes_in_float32(case: ClassicCase, setting: dict) -> None:
    output, target = examples(case, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = value_and_grad(case, output, target, **setting)
    torch.testing.assert_close(inside, value_and_grad(case, output, target, **setting), rtol=1e-6, atol=1e-6)


@every_case
def test_wrong_shapes_and_dtypes_are_one_line(case: ClassicCase) -> None:
    output, target = examples(case)
    for o, t in (
        (output, target[:-1]),
        (output.long(), target),
        (output, target.long()),
        (output.unsqueeze(1), target),
    ):
        with pytest.raises(ValueError, match=r"must be (a )?(floats|floating-point)") as caught:
            case.function(o, t)
        assert "\n" not in str(caught.value)
        assert "got" in str(caught.value)


def test_a_column_is_not_broadcast() -> None:
    with pytest.raises(
        ValueError, match=r"of one shape \(batch, ...\), got torch.float32 of shape \(3, 1\) and .* \(3,\)"
    ):
        losses.mse(torch.zeros(3, 1), torch.zeros(3))


# -- interface


@every_case
def test_yaml_has_the_defaults(case: ClassicCase) -> None:
    config = yaml.safe_load((CONF / f"{case.name}.yaml").read_text())
    assert without_ranges(config) == {
        "name": case.name,
        "_target_": f"lossbench.losses.{case.module.__name__}",
        **case.module().hyper_parameters(),
    }


def test_the_rules_know_which_loss_is_for_which_task() -> None:
    public = {
        name: item
        for name, item in vars(losses).items()
        if isinstance(item, type) and issubclass(item, losses.Loss) and item is not losses.Loss
    }
    assert {name: sorted(tasks_of(name)) for name in public} == {
        name: sorted(item.tasks) for name, item in public.items()
    }
    known = registered(CONF)
    named = {(cls, name) for fitting in TASKS.values() for cls, name in fitting.items()}
    assert all(known[name].kind.__name__ == cls for cls, name in named)
