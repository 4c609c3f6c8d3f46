"""A stack whose gradients are clipped and whose weights are averaged against the same runs one after another."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from lossbench.data.digits import Digits
from lossbench.data.order import TrainBatches
from lossbench.losses import Power
from lossbench.models.convnet import ConvNet
from lossbench.training.schedules import Cosine
from lossbench.vectorized.engine.batches import Batches
from lossbench.vectorized.engine.examples import Examples
from lossbench.vectorized.engine.stack import Member, Stack

STEPS = 40
CLIPS, DECAYS = (0.02, None, 0.3, 1e-3), (0.5, 0.9, 0.99, 0.0)


def members() -> list[Member]:
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4}
    found = []
    for k, (max_norm, decay) in enumerate(zip(CLIPS, DECAYS, strict=True)):
        torch.manual_seed(k)
        found.append(Member(ConvNet((1, 8, 8), 10, width=2).double(), Power(), k, settings, max_norm, decay))
    return found


def alone(member: Member, order: TrainBatches, inputs: Tensor, target: Tensor) -> tuple[nn.Module, nn.Module]:
    """The model after training, and its average."""
    assert member.decay is not None
    model = copy.deepcopy(member.model).train()
    average: Any = AveragedModel(model, use_buffers=True, avg_fn=get_ema_avg_fn(member.decay))
    stepper, schedule = torch.optim.SGD(model.parameters(), **member.optimizer), Cosine()
    for step in range(STEPS):
        chosen = torch.tensor(order.batch(step))
        stepper.param_groups[0]["lr"] = 0.1 * schedule.factor(step, STEPS, order.steps_per_epoch)
        stepper.zero_grad()
        member.loss(model(inputs[chosen]), target[chosen]).backward()
        if member.max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), member.max_norm)
        stepper.step()
        average.update_parameters(model)
    return model, average.module


def test_clipped_gradients_and_averaged_weights_are_those_of_each_run_alone() -> None:
    torch.set_num_threads(1)
    split = Digits(images_per_class=20).splits["train"]
    inputs, target = torch.from_numpy(split.inputs).double(), torch.from_numpy(split.targets)
    runs = members()
    orders = [TrainBatches(len(split), 32, member.seed) for member in runs]
    batches = Batches(Examples(inputs, target, [0] * len(runs)), orders)
    stack = Stack(runs, "torch.optim.SGD", batches, Cosine(), STEPS, orders[0].steps_per_epoch)
    for _ in range(STEPS):
        stack.train_step()
    outputs = stack.evaluate(inputs[:30])
    for k, (member, order) in enumerate(zip(runs, orders, strict=True)):
        model, average = alone(member, order, inputs, target)
        last = {name: tensor[k] for name, tensor in stack.state.items()}
        torch.testing.assert_close(last, dict(model.state_dict()), rtol=0, atol=1e-6)
        torch.testing.assert_close(stack.weights(k), dict(average.state_dict()), rtol=0, atol=1e-6)
        torch.testing.assert_close(outputs[k], average.eval()(inputs[:30]).detach(), rtol=0, atol=1e-6)
