"""Dropout in a stack: the masks of each run are those that it draws alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossbench.data.order import TrainBatches
from lossbench.losses import CrossEntropy
from lossbench.seeds import step_seed
from lossbench.training.schedules import Constant
from lossbench.vectorized.engine.batches import Batches
from lossbench.vectorized.engine.examples import Examples
from lossbench.vectorized.engine.stack import Member, Stack

SEEDS = (3, 5, 3, 8)
STEPS = 12
SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": False}


class Residual(nn.Module):
    """Calls dropout as functions do, in place too, with other shares and on a layout that is not contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.first(F.dropout(inputs.flatten(1).T, 0.2, self.training).T))
        hidden = hidden + F.dropout(hidden.clone(), 0.5, self.training, True)
        return self.second(torch.dropout(hidden, 0.3, self.training))


def layers() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Dropout(0.0), nn.Linear(16, 3))


def convolutions() -> nn.Module:
    norm, drop = nn.BatchNorm2d(4), nn.Dropout2d(0.4)
    return nn.Sequential(nn.Conv2d(2, 4, 2), norm, drop, nn.Flatten(), nn.Dropout(0.1, inplace=True), nn.Linear(4, 3))


def stack_of(make: Callable[[], nn.Module], inputs: Tensor, target: Tensor) -> tuple[Stack, list[Member]]:
    torch.manual_seed(0)
    models = {seed: make().double() for seed in SEEDS}
    members = [Member(models[seed], CrossEntropy(), seed, {**SGD, "lr": 0.1 + k / 10}) for k, seed in enumerate(SEEDS)]
    orders = [TrainBatches(len(inputs), 4, seed) for seed in SEEDS]
    batches = Batches(Examples(inputs, target, [0] * len(SEEDS)), orders)
    return Stack(members, "torch.optim.SGD", batches, Constant(), STEPS, 3), members


@pytest.mark.parametrize("make", [Residual, layers, convolutions])
def test_runs_with_dropout_are_the_runs_alone(make: Callable[[], nn.Module]) -> None:
    inputs, target = torch.randn(12, 2, 2, 2, dtype=torch.float64), torch.randint(3, (12,))
    stack, members = stack_of(make, inputs, target)
    for _ in range(STEPS):
        stack.train_step()
    for k, (seed, member) in enumerate(zip(SEEDS, members, strict=True)):
        model = member.model.train()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        optimizer, order = torch.optim.SGD(model.parameters(), **member.optimizer), TrainBatches(12, 4, seed)
        for step in range(STEPS):
            torch.manual_seed(step_seed(seed, step))
            chosen = torch.tensor(order.batch(step))
            optimizer.zero_grad()
            member.loss(model(inputs[chosen]), target[chosen]).backward()
            optimizer.step()
        torch.testing.assert_close(stack.weights(k), dict(model.state_dict()), rtol=0, atol=1e-10)
        model.load_state_dict(before)


@pytest.mark.parametrize(
    "random", [nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5), nn.RReLU()], ids=lambda each: type(each).__name__
)
def test_other_random_layers_are_not_mapped(random: nn.Module) -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), random, nn.Linear(8, 3))

    with pytest.raises(RuntimeError, match=r"random|rrelu"):
        stack_of(make, torch.randn(12, 2, 2, 2, dtype=torch.float64), torch.randint(3, (12,)))


def test_a_model_whose_dropout_depends_on_the_step_is_refused() -> None:
    class Once(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.times = nn.Linear(8, 3), 0

        def forward(self, inputs: Tensor) -> Tensor:
            self.times += 1
            hidden = inputs.flatten(1)
            return self.linear(F.dropout(hidden, 0.5) if self.times < 2 else hidden)

    with pytest.raises(RuntimeError, match="dropout is called less often than by a single run"):
        stack_of(Once, torch.randn(12, 2, 2, 2, dtype=torch.float64), torch.randint(3, (12,)))
