"""A stack of runs against the same runs one after another, written as anyone would."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lossbench.data.digits import Digits
from lossbench.data.order import TrainBatches
from lossbench.data.source import Source, Split
from lossbench.data.toy import Toy
from lossbench.losses import (
    LDAM,
    CosineProb,
    CosineXent,
    CosineXentHead,
    CrossEntropy,
    Focal,
    LogitAdjusted,
    Loss,
    Power,
)
from lossbench.models.convnet import ConvNet
from lossbench.models.heads import CosineHead
from lossbench.models.heads import CosineXentHead as Head
from lossbench.training.schedules import Constant, Cosine, OneCycle
from lossbench.vectorized.engine.batches import Batches
from lossbench.vectorized.engine.examples import Examples
from lossbench.vectorized.engine.losses import StackedLosses
from lossbench.vectorized.engine.optimizers import StackedAdam
from lossbench.vectorized.engine.stack import Member, Stack, side_by_side
from lossbench.vectorized.engine.step import compiled
from lossbench.vectorized.engine.step.choice import COMPILED, EAGER
from tests.cases import CASES as LOSS_CASES
from tests.cases import Case

LOSSES: tuple[Callable[[int], Any], ...] = (
    lambda k: CrossEntropy(label_smoothing=0.05 * k),
    lambda k: CosineProb(alpha=0.3 + 0.2 * k, beta=0.4),
    lambda k: CosineXent(xent_weight=0.1 + 0.1 * k),
)
RUNS = 12  # over three losses, four settings of each


MODELS: dict[str, tuple[Source, Callable[[], nn.Module]]] = {
    "toy": (Toy(init="random"), lambda: nn.Linear(4, 5, bias=False)),
    "digits/linear": (Digits(), lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
    "digits/mlp": (Digits(), lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))),
    "digits/conv": (Digits(images_per_class=20), lambda: ConvNet((1, 8, 8), 10, width=2)),
}

# Settings of a loss with numbers that follow the training.
COUNTS = [2.0, 3.0, 50.0, 4.0, 5.0, 60.0, 7.0, 8.0, 9.0, 100.0]
SCHEDULED: tuple[Sequence[Loss], ...] = (
    [Focal(5.0, gamma_end=0.0), Focal(2.0, gamma_end=1.0)],
    [LDAM(beta=0.9, defer=0.25, class_counts=COUNTS), LDAM(beta=0.99, defer=0.75, class_counts=COUNTS[::-1])],
)


def sgd(k: int) -> dict[str, Any]:
    return {"lr": 0.02 * (k + 1), "momentum": 0.9 - 0.1 * k, "weight_decay": 1e-3 * k, "nesterov": False}


def adam(k: int) -> dict[str, Any]:
    return {"lr": 1e-3 * (k + 1), "betas": [0.9 - 0.1 * k, 0.999], "eps": 1e-8, "weight_decay": 1e-3 * k}


def adamw(k: int) -> dict[str, Any]:
    return {"lr": 2e-3, "betas": [0.9, 0.99], "eps": 1e-8 * (k + 1), "weight_decay": 0.01 * k}


OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], Callable[[int], dict[str, Any]]]] = {
    "torch.optim.SGD": (torch.optim.SGD, sgd),
    "torch.optim.Adam": (torch.optim.Adam, adam),
    "torch.optim.AdamW": (torch.optim.AdamW, adamw),
}


def seeded_model(make: Callable[[], nn.Module], seed: int, dtype: torch.dtype) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().to(dtype)


def members_of(
    make: Callable[[], nn.Module], settings: Callable[[int], dict[str, Any]], dtype: torch.dtype
) -> list[Member]:
    runs = [(LOSSES[k % 3](k // 3), k // 3 % 2, k // 3) for k in range(RUNS)]
    members = [Member(seeded_model(make, seed, dtype), loss, seed, settings(number % 3)) for loss, seed, number in runs]
    return [members[k] for k in side_by_side([member.loss for member in members])]


def alone(
    member: Member,
    data: tuple[Tensor, Tensor],
    order: TrainBatches,
    optimizer: type[torch.optim.Optimizer],
    schedule: Any,
    steps: int,
) -> tuple[nn.Module, list[float]]:
    model, losses = copy.deepcopy(member.model).train(), []
    settings: Mapping[str, Any] = {
        **member.optimizer,
        **({"betas": tuple(member.optimizer["betas"])} if "betas" in member.optimizer else {}),
    }
    stepper = optimizer(model.parameters(), **settings)
    inputs, target = data
    for step in range(steps):
        chosen = torch.tensor(order.batch(step))
        for group in stepper.param_groups:
            group["lr"] = settings["lr"] * schedule.factor(step, steps, order.steps_per_epoch)
            if (momentum := schedule.momentum(step, steps, order.steps_per_epoch)) is not None:
                group |= {"momentum": momentum} if "momentum" in group else {"betas": (momentum, group["betas"][1])}
        stepper.zero_grad()
        loss = member.loss.at(step / steps)(model(inputs[chosen]), target[chosen])
        loss.backward()
        stepper.step()
        losses.append(loss.item())
    return model.eval(), losses


def all_of(split: Split, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.inputs).to(dtype), torch.from_numpy(split.targets)


def both(
    name: str,
    optimizer: str,
    schedule: Any,
    batch_size: int,
    steps: int,
    dtype: torch.dtype,
    chosen: Sequence[Tensor] | None = None,
    engine: str = EAGER,
) -> None:
    """Compare a stack with its runs; `chosen` positions of the training split are those of the three replicates."""
    source, make = MODELS[name]
    kind, settings = OPTIMIZERS[optimizer]
    inputs, target = all_of(source.splits["train"], dtype)
    members = members_of(make, settings, dtype)
    which = [0 if chosen is None else k % 3 for k in range(RUNS)]
    examples = Examples(inputs, target, which, chosen)
    orders = [TrainBatches(len(examples), batch_size, member.seed) for member in members]
    stack = Stack(members, optimizer, Batches(examples, orders), schedule, steps, orders[0].steps_per_epoch)
    stack.engine = engine
    seen = torch.stack([stack.train_step().losses for _ in range(steps)])
    assert stack.engine == engine, stack.why
    held_out, _ = all_of(source.splits["test"], dtype)
    outputs = stack.evaluate(held_out)
    close = 1e-6 if dtype == torch.float64 else 1e-4
    for k, (member, order) in enumerate(zip(members, orders, strict=True)):
        data = (inputs, target) if chosen is None else (inputs[chosen[which[k]]], target[chosen[which[k]]])
        model, losses = alone(member, data, order, kind, schedule, steps)
        torch.testing.assert_close(stack.weights(k), dict(model.state_dict()), rtol=0, atol=close)
        torch.testing.assert_close(seen[:, k], torch.tensor(losses, dtype=seen.dtype), rtol=0, atol=close)
        torch.testing.assert_close(outputs[k], model(held_out).detach(), rtol=close, atol=close)
    assert (seen[-1] < seen[0]).all()


ALL = 10**6  # examples in a batch: the whole split
CASES: list[tuple[str, str, Any, int, int]] = [
    ("toy", "torch.optim.Adam", Constant(), ALL, 400),
    ("toy", "torch.optim.SGD", Cosine(), ALL, 400),
    ("toy", "torch.optim.AdamW", OneCycle(), 2, 400),
    ("digits/linear", "torch.optim.SGD", Constant(), 64, 400),
    ("digits/linear", "torch.optim.Adam", OneCycle(), ALL, 60),
    ("digits/linear", "torch.optim.AdamW", Constant(warmup_epochs=1), 64, 60),
    ("digits/mlp", "torch.optim.AdamW", Constant(), 64, 400),
    ("digits/mlp", "torch.optim.Adam", Constant(), ALL, 60),
    ("digits/mlp", "torch.optim.SGD", OneCycle(), 64, 60),
    ("digits/conv", "torch.optim.Adam", Cosine(), 32, 400),
    ("digits/conv", "torch.optim.SGD", Constant(), ALL, 30),
    ("digits/conv", "torch.optim.AdamW", OneCycle(), 64, 60),
]


@pytest.mark.parametrize(
    ("name", "optimizer", "schedule", "batch_size", "steps"),
    CASES,
    ids=[f"{case[0]}-{case[1]}-{case[3]}" for case in CASES],
)
def test_every_run_of_a_stack_is_the_run_alone(
    name: str, optimizer: str, schedule: Any, batch_size: int, steps: int
) -> None:
    torch.set_num_threads(1)
    both(name, optimizer, schedule, batch_size, steps, torch.float64)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of the whole step as it is: what is compiled, without the compiler's seconds."""
    monkeypatch.setattr(compiled, "compiled", lambda module: lambda given: module(*given))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("case", [*CASES[:5], CASES[6], CASES[8]], ids=lambda case: f"{case[0]}-{case[1]}-{case[3]}")
def test_the_whole_step_with_the_runs_last_is_the_step_of_the_runs_alone(case: tuple[str, str, Any, int, int]) -> None:
    torch.set_num_threads(1)
    name, optimizer, schedule, batch_size, steps = case
    both(name, optimizer, schedule, batch_size, min(steps, 60), torch.float64, engine=COMPILED)


@pytest.mark.usefixtures("uncompiled")
def test_the_whole_step_of_three_replicates_is_that_of_the_runs_alone() -> None:
    n = len(MODELS["digits/mlp"][0].splits["train"])
    chosen = [torch.randperm(n, generator=torch.Generator().manual_seed(r))[: 3 * n // 4] for r in range(3)]
    both("digits/mlp", "torch.optim.AdamW", Constant(), 64, 40, torch.float64, chosen, COMPILED)


@pytest.mark.parametrize(
    ("name", "optimizer", "schedule", "batch_size", "steps"), [CASES[4], CASES[6], CASES[9], CASES[10]]
)
def test_runs_of_three_replicates_are_the_runs_alone(
    name: str, optimizer: str, schedule: Any, batch_size: int, steps: int
) -> None:
    torch.set_num_threads(1)
    n = len(MODELS[name][0].splits["train"])
    chosen = [torch.randperm(n, generator=torch.Generator().manual_seed(r))[: 3 * n // 4] for r in range(3)]
    both(name, optimizer, schedule, batch_size, min(steps, 100), torch.float64, chosen)


def test_runs_whose_replicates_train_on_other_numbers_of_examples_are_refused() -> None:
    examples = Examples(torch.zeros(4, 1), torch.zeros(4), [0, 1], [torch.arange(3), torch.arange(2)])
    with pytest.raises(ValueError, match=r"stacked runs need equally many training examples, got \[2, 3\]"):
        Batches(examples, [TrainBatches(3, 1, 0), TrainBatches(2, 1, 1)])


def test_numbers_of_the_classes_are_batched_too() -> None:
    counts = [(1.0, 2.0, 7.0), (4.0, 4.0, 2.0), (1.0, 1.0, 8.0)]
    losses = [LogitAdjusted(tau=tau, class_counts=each) for tau, each in zip((1.0, 0.5, 1.0), counts, strict=True)]
    together = StackedLosses(losses)
    assert len(together.kinds) == 1
    logits, target = torch.randn(3, 8, 3, dtype=torch.float64), torch.randint(3, (3, 8))
    expected = [loss.per_example(z, y) for loss, z, y in zip(losses, logits, target, strict=True)]
    torch.testing.assert_close(together.per_example(logits, target), torch.stack(expected))
    torch.testing.assert_close(together(logits, target, shared=False), torch.stack(expected).mean(1))
    for loss, each in zip(losses, counts, strict=True):
        assert loss.class_counts == each  # the losses are as they were
        assert loss.arguments()["class_counts"].tolist() == list(each)


@pytest.mark.parametrize("name", ["toy", "digits/linear", "digits/mlp"])
def test_float32_stays_close_for_a_hundred_steps(name: str) -> None:
    both(name, "torch.optim.Adam", Cosine(), 64, 100, torch.float32)


def test_a_head_behind_the_model_and_nesterov() -> None:
    split = Digits().splits["train"]
    data = torch.from_numpy(split.inputs).double(), torch.from_numpy(split.targets)

    def make() -> nn.Module:
        return nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), Head(10))

    settings = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    members = [
        Member(seeded_model(make, seed, torch.float64), CosineXentHead(xent_weight=0.1 + seed), seed, settings)
        for seed in range(3)
    ]
    orders = [TrainBatches(len(split), 64, seed) for seed in range(3)]
    stack = Stack(members, "torch.optim.SGD", Batches(Examples(*data, [0] * len(orders)), orders), Constant(), 40, 16)
    for _ in range(40):
        stack.train_step()
    for k in range(3):
        model, _ = alone(members[k], data, orders[k], torch.optim.SGD, Constant(), 40)
        torch.testing.assert_close(stack.weights(k), dict(model.state_dict()), rtol=0, atol=1e-6)
        ours, theirs = stack.evaluate(data[0]), model(data[0])
        torch.testing.assert_close(ours.logits[k], theirs.logits, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "case", [case for case in LOSS_CASES if case.name not in ("cosine_xent_head",)], ids=lambda case: case.name
)
@pytest.mark.parametrize("engine", [EAGER, pytest.param(COMPILED, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("uncompiled")
def test_two_settings_of_a_loss_in_a_stack_are_the_two_alone(case: Case, engine: str) -> None:
    torch.set_num_threads(1)
    split = Digits().splits["train"]
    data = torch.from_numpy(split.inputs).double(), torch.from_numpy(split.targets)

    def make() -> nn.Module:
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        return nn.Sequential(body, CosineHead(10, 10, scale=1.0)) if case.module.takes_cosines else body

    settings = [{}, *({name: value} for name, values in case.sweep.items() for value in values[:2])]
    members = [
        Member(seeded_model(make, k, torch.float64), case.module(**setting), k, adam(0))
        for k, setting in enumerate(settings)
    ]
    orders = [TrainBatches(len(split), 64, member.seed) for member in members]
    stack = Stack(members, "torch.optim.Adam", Batches(Examples(*data, [0] * len(orders)), orders), Constant(), 20, 16)
    stack.engine = engine
    switched_off = any(getattr(members[0].loss, name) is None for name in case.sweep)  # null is a kind of its own
    assert len(stack.losses.kinds) == 1 + switched_off
    seen = torch.stack([stack.train_step().losses for _ in range(20)])
    assert stack.engine == engine, stack.why
    for k, (member, order) in enumerate(zip(members, orders, strict=True)):
        model, losses = alone(member, data, order, torch.optim.Adam, Constant(), 20)
        torch.testing.assert_close(stack.weights(k), dict(model.state_dict()), rtol=0, atol=1e-6)
        torch.testing.assert_close(seen[:, k], torch.tensor(losses, dtype=seen.dtype), rtol=1e-6, atol=1e-6)
    measured = stack.losses.logits(stack.evaluate(data[0][:9]))
    for k, member in enumerate(members):
        model = copy.deepcopy(member.model)
        model.load_state_dict(stack.weights(k))
        torch.testing.assert_close(measured[k], member.loss.logits(model(data[0][:9])).detach())


@pytest.mark.parametrize("scheduled", SCHEDULED, ids=lambda losses: type(losses[0]).__name__)
def test_numbers_that_follow_the_training_are_those_of_the_run_alone(scheduled: Sequence[Loss]) -> None:
    """Also of runs that go on from a state; what is measured has the numbers of the end."""
    torch.set_num_threads(1)
    split = Digits().splits["train"]
    data = torch.from_numpy(split.inputs).double(), torch.from_numpy(split.targets)

    def make() -> nn.Module:
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        return nn.Sequential(body, CosineHead(10, 10, scale=1.0)) if scheduled[0].takes_cosines else body

    members = [Member(seeded_model(make, k, torch.float64), loss, k, adam(0)) for k, loss in enumerate(scheduled)]
    orders = [TrainBatches(len(split), 64, member.seed) for member in members]

    def stack_of(chosen: Sequence[int]) -> Stack:
        runs, batches = [members[k] for k in chosen], [orders[k] for k in chosen]
        of_all = Batches(Examples(*data, [0] * len(runs)), batches)
        return Stack(runs, "torch.optim.Adam", of_all, Constant(), 20, 16)

    whole = stack_of(range(len(members)))
    assert len(whole.losses.kinds) == 1
    for _ in range(10):
        whole.train_step()
    last = stack_of([len(members) - 1])
    last.load_state_dict(copy.deepcopy(whole.state_dict()), torch.tensor([len(members) - 1]))
    seen = torch.stack([whole.train_step().losses for _ in range(10)])
    for _ in range(10):
        last.train_step()
    torch.testing.assert_close(last.weights(0), whole.weights(len(members) - 1), rtol=0, atol=1e-9)
    measured = whole.losses.per_example(whole.evaluate(data[0][:9]), data[1][:9])
    for k, (member, order) in enumerate(zip(members, orders, strict=True)):
        model, alone_seen = alone(member, data, order, torch.optim.Adam, Constant(), 20)
        torch.testing.assert_close(whole.weights(k), dict(model.state_dict()), rtol=0, atol=1e-6)
        torch.testing.assert_close(seen[:, k], torch.tensor(alone_seen[10:], dtype=seen.dtype), rtol=1e-6, atol=1e-6)
        loss = member.loss.at(1.0)
        torch.testing.assert_close(
            measured[k], loss.per_example(model(data[0][:9]), data[1][:9]).detach(), atol=1e-6, rtol=0
        )


def toy_stack(losses: Sequence[nn.Module], lr: Sequence[float], seeds: Sequence[int] = (0, 1, 2, 3)) -> Stack:
    split = Toy().splits["train"]
    data = torch.from_numpy(split.inputs), torch.from_numpy(split.targets)
    members = [
        Member(
            seeded_model(MODELS["toy"][1], seed, torch.float32),
            loss,
            seed,
            {"lr": rate, "momentum": 0.0, "weight_decay": 0.0},
        )
        for loss, rate, seed in zip(losses, lr, seeds, strict=False)
    ]
    return Stack(
        members,
        "torch.optim.SGD",
        Batches(Examples(*data, [0] * len(members)), [TrainBatches(4, 4, member.seed) for member in members]),
        Constant(),
        50,
        10,
    )


def test_a_run_that_explodes_leaves_the_others_as_they_are() -> None:
    calm = toy_stack([CrossEntropy(), CrossEntropy()], [0.1, 0.2])
    wild = toy_stack([CrossEntropy(), CrossEntropy(), Power(q=-3.0)], [0.1, 0.2, float("inf")])
    for _ in range(50):
        calm.train_step()
        last = wild.train_step()
    assert not last.losses[2].isfinite()
    for k in range(2):
        torch.testing.assert_close(wild.weights(k), calm.weights(k), rtol=1e-6, atol=1e-6)


def test_a_stack_goes_on_from_its_state_with_some_of_its_runs() -> None:
    losses, rates = [CosineProb(), CrossEntropy(), CrossEntropy(), Power()], [0.1, 0.2, 0.3, 0.4]
    order = side_by_side(losses)
    losses, rates = [losses[k] for k in order], [rates[k] for k in order]
    whole = toy_stack(losses, rates)
    for _ in range(20):
        whole.train_step()
    kept = [1, 3]
    part = toy_stack([losses[k] for k in kept], [rates[k] for k in kept], seeds=kept)
    part.load_state_dict(copy.deepcopy(whole.state_dict()), torch.tensor(kept))
    for _ in range(30):
        whole.train_step()
        part.train_step()
    for place, k in enumerate(kept):
        torch.testing.assert_close(part.weights(place), whole.weights(k), rtol=1e-6, atol=1e-7)


def test_what_the_engine_does_not_know_is_refused() -> None:
    member, batches = (
        Member(nn.Linear(1, 1), CrossEntropy(), 0, {"lr": 1}),
        Batches(Examples(torch.zeros(1, 1), torch.zeros(1), [0]), [TrainBatches(1, 1, 0)]),
    )
    with pytest.raises(ValueError, match=r"torch\.optim\.Rprop has no stacked form; known: torch\.optim\.SGD"):
        Stack([member], "torch.optim.Rprop", batches, Constant(), 1, 1)
    with pytest.raises(ValueError, match="amsgrad cannot differ between stacked runs"):
        StackedAdam([torch.zeros(1, 1)], [{"lr": 1, "amsgrad": True}])


def test_numbers_of_the_optimiser_lie_beside_the_parameters() -> None:
    parameters = [torch.zeros(2, 3, device="meta")]
    optimizer = StackedAdam(parameters, [{"lr": lr, "betas": (0.9, lr), "eps": 1e-8} for lr in (0.1, 0.2)])
    assert {each.device for each in optimizer.columns.values() if isinstance(each, Tensor)} == {torch.device("meta")}
    optimizer.step(parameters, 1.0, None)
