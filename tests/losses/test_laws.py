"""What holds for every loss, over the table of cases."""

import copy
import inspect
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional as F

from lossbench import losses
from lossbench.outputs import HeadOutput
from tests.cases import CASES, Case
from tests.classic_cases import CLASSIC

CONF = Path(__file__).parents[2] / "conf" / "loss"
BATCH, CLASSES = 7, 5

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_setting = pytest.mark.parametrize(("case", "setting"), [pytest.param(c, s, id=f"{c.name}-{s}") for c in CASES for s in c.settings])
every_sweep = pytest.mark.parametrize(
    ("case", "name", "values"), [pytest.param(c, n, v, id=f"{c.name}-{n}") for c in CASES for n, v in c.sweep.items()]
)


def examples(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64)
    return logits.to(dtype), torch.randint(CLASSES, (BATCH,), generator=generator)


def value_and_grad(case: Case, logits: Tensor, target: Tensor, **setting: object) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    values = case.function(case.output(leaf), target, **setting)
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


@every_setting
def test_values_match_the_naive_reference(case: Case, setting: dict) -> None:
    logits, target = examples()
    naive = [case.reference(row.numpy(), int(y), **setting) for row, y in zip(logits, target, strict=True)]
    values = case.function(case.output(logits), target, **setting)
    assert values.dtype == torch.float64
    torch.testing.assert_close(values, torch.tensor(naive, dtype=torch.float64), rtol=1e-10, atol=1e-12)


@every_setting
def test_soft_target_gives_the_expected_loss(case: Case, setting: dict) -> None:
    logits, _ = examples()
    soft = torch.softmax(examples()[0].flip(0), -1)
    per_class = [[case.reference(row.numpy(), c, **setting) for c in range(CLASSES)] for row in logits]
    naive = (soft * torch.tensor(per_class, dtype=torch.float64)).sum(-1)
    torch.testing.assert_close(case.function(case.output(logits), soft, **setting), naive, rtol=1e-10, atol=1e-12)


@every_setting
def test_one_hot_soft_target_is_the_index(case: Case, setting: dict) -> None:
    logits, target = examples()
    one_hot = F.one_hot(target, CLASSES).double()
    for hard, soft in zip(value_and_grad(case, logits, target, **setting), value_and_grad(case, logits, one_hot, **setting), strict=True):
        torch.testing.assert_close(soft, hard)


@every_setting
def test_gradcheck(case: Case, setting: dict) -> None:
    logits, target = examples()
    soft = torch.softmax(logits.flip(0), -1)
    for t in (target, soft):
        assert torch.autograd.gradcheck(lambda z, t=t: case.function(case.output(z), t, **setting), logits.requires_grad_())


@every_setting
def test_module_reduces_the_function(case: Case, setting: dict) -> None:
    logits, target = examples(torch.float32)
    output, values = case.output(logits), case.function(case.output(logits), target, **setting)
    assert values.shape == (BATCH,)
    torch.testing.assert_close(case.module(**setting, reduction="none")(output, target), values)
    torch.testing.assert_close(case.module(**setting, reduction="sum")(output, target), values.sum())
    if "weight" not in setting:
        torch.testing.assert_close(case.module(**setting)(output, target), values.mean())


@every_setting
def test_terms_add_up_to_the_loss(case: Case, setting: dict) -> None:
    logits, target = examples()
    loss = case.module(**setting)
    terms = loss.terms(case.output(logits), target)
    assert set(terms) == ({"cosine", "xent"} if "xent_weight" in loss.hyper_parameters() else set())
    if terms:
        torch.testing.assert_close(sum(terms.values()), loss.per_example(case.output(logits), target))


EXTREMES = {
    "right": [1e4, -1e4, -1e4, -1e4, -1e4],
    "wrong": [-1e4, 1e4, -1e4, -1e4, -1e4],
    "right100": [100.0, -100, 0, 0, 0],
    "wrong100": [-100.0, 100, 0, 0, 0],
    "equal": [1e4] * 5,
    "negative": [-1e4] * 5,
    "zero": [0.0] * 5,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("extreme", EXTREMES)
@every_setting
def test_extremes_stay_finite(case: Case, setting: dict, extreme: str, dtype: torch.dtype) -> None:
    logits, target = torch.tensor([EXTREMES[extreme]] * 2, dtype=dtype), torch.tensor([0, 0])
    for t in (target, F.one_hot(target, CLASSES).float(), torch.full((2, CLASSES), 0.2)):
        values, gradient = value_and_grad(case, logits, t, **setting)
        assert values.dtype == torch.float32
        assert values.isfinite().all()
        if not (dtype == torch.float16 and case.module(**setting).exceeds_fp16):
            assert gradient.isfinite().all()


@every_setting
def test_exceeds_fp16_says_the_truth(case: Case, setting: dict) -> None:
    worst = torch.tensor([[-1e4, 1e4, 0, 0, 0], [-1e3, 1e3, 0, 0, 0], [-10.0, 10, 0, 0, 0]])
    _, gradient = value_and_grad(case, worst, torch.zeros(3, dtype=torch.int64), **setting)
    assert case.module(**setting).exceeds_fp16 == bool(gradient.abs().max() > torch.finfo(torch.float16).max)


@every_setting
def test_examples_may_come_in_any_order(case: Case, setting: dict) -> None:
    logits, target = examples()
    order = torch.randperm(BATCH, generator=torch.Generator().manual_seed(2))
    values = case.function(case.output(logits), target, **setting)
    torch.testing.assert_close(case.function(case.output(logits[order]), target[order], **setting), values[order])


@every_setting
def test_classes_may_come_in_any_order(case: Case, setting: dict) -> None:
    logits, target = examples()
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = {k: [v[i] for i in order] if k == "weight" else v for k, v in setting.items()}
    values = case.function(case.output(logits), target, **setting)
    torch.testing.assert_close(case.function(case.output(logits[:, order]), order.argsort()[target], **moved), values)


@every_case
def test_shift_invariance_is_as_claimed(case: Case) -> None:
    logits, target = examples()
    change = (case.function(case.output(logits + 3), target) - case.function(case.output(logits), target)).abs()
    assert bool((change < 1e-9).all()) == case.shift_invariant
    assert case.shift_invariant or bool((change > 1e-3).all())


@every_sweep
def test_vmap_over_a_hyper_parameter_is_the_loop(case: Case, name: str, values: list[float]) -> None:
    logits, target = examples()

    def total(z: Tensor, h: Tensor | float, t: Tensor) -> Tensor:
        return case.function(case.output(z), t, **{name: h}).sum()

    for t in (target, torch.softmax(logits.flip(0), -1)):
        sweep = torch.tensor(values, dtype=torch.float64)
        losses_, gradients = vmap(lambda h, t=t: (total(logits, h, t), grad(total)(logits, h, t)))(sweep)
        for h, loss, gradient in zip(values, losses_, gradients, strict=True):
            torch.testing.assert_close(loss, total(logits, h, t), rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(gradient, grad(total)(logits, h, t), rtol=1e-10, atol=1e-12)


@every_sweep
def test_vmap_over_members_takes_float32_logits_and_one_backward(case: Case, name: str, values: list[float]) -> None:
    logits, target = examples(torch.float32)
    stacked = torch.stack([logits + i for i in range(len(values))]).requires_grad_()
    members = vmap(lambda z, h: case.function(case.output(z), target, **{name: h}))(stacked, torch.tensor(values))
    assert members.dtype == torch.float32
    members.sum().backward()
    for z, h, member, gradient in zip(stacked.detach(), values, members, stacked.grad, strict=True):
        loss, expected = value_and_grad(case, z, target, **{name: h})
        torch.testing.assert_close(member, loss, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


@every_setting
def test_a_small_step_downhill_lowers_it(case: Case, setting: dict) -> None:
    logits, target = examples()
    values, gradient = value_and_grad(case, logits, target, **setting)
    norm = gradient.norm(dim=-1, keepdim=True)
    lower = case.function(case.output(logits - 1e-5 * gradient / norm.clamp_min(1e-12)), target, **setting)
    moving = norm.squeeze(-1) > 1e-6  # a class of weight 0 has no slope
    assert moving.sum() > BATCH // 2
    assert (lower < values)[moving].all()


@every_setting
def test_float32_under_autocast(case: Case, setting: dict) -> None:
    logits, target = examples(torch.float32)
    soft = torch.softmax(logits.flip(0), -1)
    with torch.autocast("cpu", torch.bfloat16):
        inside = [value_and_grad(case, logits, t, **setting) for t in (target, soft)]
        half = case.function(case.output(logits.bfloat16()), target, **setting)
    for t, found in zip((target, soft), inside, strict=True):
        torch.testing.assert_close(found, value_and_grad(case, logits, t, **setting), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(half, case.function(case.output(logits.bfloat16().float()), target, **setting), rtol=1e-2, atol=1e-2)
    assert half.dtype == torch.float32


@every_setting
def test_module_copies_prints_and_has_no_state(case: Case, setting: dict) -> None:
    logits, target = examples()
    loss = case.module(**setting)
    assert repr(loss).startswith(f"{case.module.__name__}(")
    assert all(f"{name}={value!r}" in repr(loss) for name, value in setting.items())
    assert not loss.state_dict()
    torch.testing.assert_close(copy.deepcopy(loss)(case.output(logits), target), loss(case.output(logits), target))


@every_case
@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(5), torch.tensor(1), "logits must be"),
        (torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "logits must be"),
        (torch.zeros(2, 5), torch.zeros(3, dtype=torch.int64), "target must be"),
        (torch.zeros(2, 5), torch.zeros(2, 1, dtype=torch.int64), "target must be"),
        (torch.zeros(2, 5), torch.zeros(2, 5, dtype=torch.int64), "target must be"),
        (torch.zeros(2, 5), torch.zeros(2, 4), "target must be"),
        (torch.zeros(2, 5), torch.zeros(2, dtype=torch.int32), "target must be"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused(case: Case, logits: Tensor, target: Tensor, message: str) -> None:
    output = HeadOutput(logits, logits) if case.name == "cosine_xent_head" else logits
    with pytest.raises(ValueError, match=message):
        case.function(output, target)


@every_case
def test_logits_become_probabilities_that_predict(case: Case) -> None:
    logits, _ = examples()
    scores = case.module().logits(case.output(logits))
    assert scores.shape == logits.shape
    torch.testing.assert_close(scores.argmax(-1), logits.argmax(-1))


def test_every_loss_has_a_case_and_a_yaml() -> None:
    names = {case.name for case in (*CASES, *CLASSIC)}
    public = {name: item for name, item in vars(losses).items() if getattr(item, "__module__", "").startswith("lossbench.losses.")}
    functions = {name for name, item in public.items() if inspect.isfunction(item)}
    modules = {name for name, item in public.items() if inspect.isclass(item)} - {"Loss"}
    assert names == functions == {path.stem for path in CONF.glob("*.yaml")}
    assert {case.module.__name__ for case in (*CASES, *CLASSIC)} == modules
    assert all(case.module.function is case.function is getattr(losses, case.name) for case in (*CASES, *CLASSIC))


@every_case
def test_yaml_equals_the_defaults(case: Case) -> None:
    config = yaml.safe_load((CONF / f"{case.name}.yaml").read_text())
    config = config.get("loss", config)
    assert config == {"name": case.name, "_target_": f"lossbench.losses.{case.module.__name__}", **case.module().hyper_parameters()}
