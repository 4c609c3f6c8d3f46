"""Schedules against torch's schedulers, step by step."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, StepLR

from lossbench.config.build import build
from lossbench.training import schedules
from lossbench.training.schedules import Constant, Cosine, Finetune, OneCycle, Schedule, Step

CONF = Path(__file__).parents[2] / "conf"
LR = 0.4
EXAMPLES = [
    Constant(),
    Constant(warmup_epochs=2),
    Step(every_epochs=2, gamma=0.5),
    Step(every_epochs=1, gamma=0.5, warmup_epochs=2.5),
    Cosine(),
    Cosine(final=0.1, warmup_epochs=1.5),
    OneCycle(),
    OneCycle(pct_start=0.0),
    OneCycle(pct_start=1.0),
    Finetune(),
    Finetune(head_epochs=0.3, body_factor=1.0, stem_factor=1.0),
]


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR, momentum=0.9)


def trace(sgd: torch.optim.SGD, scheduler: LRScheduler, steps: int) -> tuple[list[float], list[float]]:
    rates, momenta = [], []
    for step in range(steps):
        rates.append(sgd.param_groups[0]["lr"] / LR)
        momenta.append(sgd.param_groups[0]["momentum"])
        sgd.step()
        if step < steps - 1:
            scheduler.step()
    return rates, momenta


def factors(schedule: Schedule, total: int, per_epoch: int = 4) -> list[float]:
    return [schedule.factor(step, total, per_epoch) for step in range(total)]


@pytest.mark.parametrize(("every", "gamma", "per_epoch"), [(3, 0.1, 4), (1, 0.7, 1), (2, 1.0, 5)])
def test_step_agrees_with_torch(every: int, gamma: float, per_epoch: int) -> None:
    sgd = optimizer()
    expected, _ = trace(sgd, StepLR(sgd, step_size=every * per_epoch, gamma=gamma), 40)
    assert factors(Step(every, gamma), 40, per_epoch) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("final", "total"), [(0.0, 40), (0.25, 7), (1.0, 5), (0.0, 1)])
def test_cosine_agrees_with_torch(final: float, total: int) -> None:
    sgd = optimizer()
    expected, _ = trace(sgd, CosineAnnealingLR(sgd, T_max=total, eta_min=final * LR), total)
    assert factors(Cosine(final), total) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3, 4, 10, 97])
@pytest.mark.parametrize("pct_start", [0.0, 0.3, 0.55])
@pytest.mark.parametrize("settings", [{}, {"div": 10.0, "final_div": 100.0, "momentum_high": 0.9, "momentum_low": 0.5}])
def test_one_cycle_agrees_with_torch(total: int, pct_start: float, settings: dict[str, float]) -> None:
    schedule = OneCycle(pct_start, **settings)
    sgd = optimizer()
    reference = OneCycleLR(
        sgd,
        max_lr=LR,
        total_steps=total,
        pct_start=pct_start,
        div_factor=schedule.div,
        final_div_factor=schedule.final_div,
        max_momentum=schedule.momentum_high,
        base_momentum=schedule.momentum_low,
    )
    rates, momenta = trace(sgd, reference, total)
    assert factors(schedule, total) == pytest.approx(rates, rel=1e-9)
    assert [schedule.momentum(step, total, 4) for step in range(total)] == pytest.approx(momenta, rel=1e-12)


def test_one_cycle_where_torch_divides_by_zero() -> None:
    assert factors(OneCycle(pct_start=0.25), 4) == pytest.approx([1.0, 0.75, 0.25, 0.0], abs=1e-5)
    assert factors(OneCycle(pct_start=1.0), 1) == [1.0]


def test_fine_tuning_is_two_cycles_of_torch() -> None:
    schedule = Finetune(head_epochs=2.0, body_factor=0.5, stem_factor=0.01)
    expected = []
    for total, cycle in ((8, schedule.head), (12, schedule.body)):
        sgd = optimizer()
        given = {"pct_start": cycle.pct_start, "div_factor": cycle.div, "final_div_factor": cycle.final_div}
        expected.append(trace(sgd, OneCycleLR(sgd, max_lr=LR, total_steps=total, **given), total))
    (head, head_momenta), (body, body_momenta) = expected
    got = [schedule.factors(step, 20, 4, 3) for step in range(20)]
    assert [rates[:2] for rates in got[:8]] == [[None, None]] * 8
    assert [rates[2] for rates in got[:8]] == pytest.approx(head)
    for group, share in enumerate((0.005, 0.05, 0.5)):
        assert [rates[group] for rates in got[8:]] == pytest.approx([share * factor for factor in body])
    assert [schedule.momentum(step, 20, 4) for step in range(20)] == pytest.approx(head_momenta + body_momenta)
    assert [step for step in range(20) if schedule.starts_anew(step, 20, 4)] == [8]


@pytest.mark.parametrize("schedule", [s for s in EXAMPLES if not isinstance(s, Finetune)], ids=repr)
def test_others_treat_all_layers_alike(schedule: Schedule) -> None:
    assert schedule.factors(3, 10, 4, 5) == [schedule.factor(3, 10, 4)] * 5
    assert not any(schedule.starts_anew(step, 10, 4) for step in range(10))


def test_one_cycle_ends() -> None:
    schedule = OneCycle(pct_start=0.3, div=20, final_div=50)
    got = factors(schedule, 100)
    assert (got[0], got[29], got[99]) == pytest.approx((1 / 20, 1.0, 1 / 1000))
    assert [schedule.momentum(step, 100, 4) for step in (0, 29, 99)] == pytest.approx([0.95, 0.85, 0.95])


@pytest.mark.parametrize("schedule", [Constant(2.5), Step(30, 0.1, 2.5), Cosine(0.0, 2.5)])
def test_warm_up_is_linear_and_joins(schedule: Schedule) -> None:
    got = factors(schedule, 40)
    assert got[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert got[10] == 1.0


def test_warm_up_rounds_to_whole_steps() -> None:
    assert Constant(warmup_epochs=0.29).factor(0, 1000, 100) == 1 / 29  # 0.29 * 100 is 28.999999999999996
    assert Constant(warmup_epochs=0.1).factor(0, 1000, 4) == 1.0


@pytest.mark.parametrize(("warmed", "bare"), [(Cosine(0.1, 2), Cosine(0.1)), (Constant(2), Constant())])
def test_the_rest_follows_the_warm_up(warmed: Schedule, bare: Schedule) -> None:
    assert factors(warmed, 40)[8:] == pytest.approx(factors(bare, 32))


def test_step_counts_epochs_from_the_start_of_training() -> None:
    assert factors(Step(3, 0.1, warmup_epochs=1), 40)[4:] == pytest.approx(factors(Step(3, 0.1), 40)[4:])
    expected = [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 16, 6 / 16, 7 / 16, 8 / 16, 0.25, 0.25, 0.25, 0.25]
    assert factors(Step(1, 0.5, warmup_epochs=2), 12) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
@pytest.mark.parametrize("total", [1, 2, 3, 10, 50])
def test_factors_lie_within_zero_and_one(schedule: Schedule, total: int) -> None:
    for step in range(total + 3):  # and asking beyond the end does no harm
        assert 0 <= schedule.factor(step, total, 4) <= 1
        assert 0 <= (schedule.momentum(step, total, 4) or 0) < 1


@pytest.mark.parametrize("schedule", [s for s in EXAMPLES if not isinstance(s, OneCycle | Finetune)], ids=repr)
def test_others_leave_momentum_alone(schedule: Schedule) -> None:
    assert schedule.momentum(3, 10, 4) is None


def test_last_steps() -> None:
    assert factors(Constant(), 12)[-1] == 1.0
    assert factors(Step(1, 0.1), 12)[-1] == pytest.approx(0.01)
    assert factors(Cosine(), 1000)[-1] == pytest.approx(0, abs=1e-5)
    assert factors(Cosine(final=0.2), 1000)[-1] == pytest.approx(0.2, abs=1e-5)
    assert [Cosine(final=0.2).factor(step, 10, 4) for step in (10, 15)] == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Constant, {"warmup_epochs": -1}, "warmup_epochs must be a number >= 0, got -1"),
        (Step, {"every_epochs": 0}, "every_epochs must be a number > 0, got 0"),
        (Step, {"gamma": 0.0}, "gamma must be a number > 0 and <= 1, got 0.0"),
        (Step, {"gamma": 1.5}, "gamma must be a number > 0 and <= 1, got 1.5"),
        (Step, {"warmup_epochs": float("nan")}, "warmup_epochs must be a number >= 0, got nan"),
        (Cosine, {"final": 1.1}, "final must be a number >= 0 and <= 1, got 1.1"),
        (Cosine, {"warmup_epochs": -0.5}, "warmup_epochs must be a number >= 0, got -0.5"),
        (Finetune, {"head_epochs": 0}, "head_epochs must be a number > 0, got 0"),
        (Finetune, {"body_factor": 1.5}, "body_factor must be a number > 0 and <= 1, got 1.5"),
        (Finetune, {"stem_factor": 0.0}, "stem_factor must be a number > 0 and <= 1, got 0.0"),
        (OneCycle, {"pct_start": 1.1}, "pct_start must be a number >= 0 and <= 1, got 1.1"),
        (OneCycle, {"div": 0.5}, "div must be a number >= 1, got 0.5"),
        (OneCycle, {"final_div": 0}, "final_div must be a number >= 1, got 0"),
        (OneCycle, {"momentum_high": 1.0}, "momentum_high must be a number >= 0 and < 1, got 1.0"),
        (OneCycle, {"momentum_low": 0.96}, "momentum_low must be a number >= 0 and <= 0.95, got 0.96"),
    ],
)
def test_bad_settings_are_named(kind: type[Schedule], settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - compared whole below
        kind(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "kind"), [("constant", Constant), ("step", Step), ("cosine", Cosine), ("one_cycle", OneCycle)]
)
def test_yaml_equals_defaults(name: str, kind: type) -> None:
    written = yaml.safe_load((CONF / "scheduler" / f"{name}.yaml").read_text())
    assert written.pop("name") == name
    assert written.pop("_target_") == f"{schedules.__name__}.{kind.__name__}"
    defaults = {field.name: field.default for field in fields(kind)}
    assert written == defaults
    assert {key: type(value) for key, value in written.items()} == {key: type(value) for key, value in defaults.items()}


def test_the_yaml_of_fine_tuning_builds_the_default() -> None:
    assert build(yaml.safe_load((CONF / "scheduler" / "finetune.yaml").read_text()), "scheduler") == Finetune()


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_optimizer_yaml_builds_what_it_names(name: str, kind: type[torch.optim.Optimizer]) -> None:
    written = yaml.safe_load((CONF / "optimizer" / f"{name}.yaml").read_text())
    assert written.pop("name") == name
    assert written.pop("_target_") == f"torch.optim.{kind.__name__}"
    assert all(isinstance(value, float | bool | list) for value in written.values())
    defaults = kind([torch.nn.Parameter(torch.zeros(1))], **written).defaults
    written = {key: tuple(value) if isinstance(value, list) else value for key, value in written.items()}
    assert {key: defaults[key] for key in written} == written
    if kind is not torch.optim.SGD:
        own = inspect.signature(kind).parameters
        assert written == {key: own[key].default for key in written}
