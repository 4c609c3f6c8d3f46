"""Laws of torch.func.vmap: many runs, and many settings, computed at once."""

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.testing import assert_close

from lossbench.losses.case import Case, Setting, examples, value_and_grad


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
    """vmap over logits and a hyper-parameter stays in float32; one backward pass gives every run its own gradient."""
    logits, target, _ = examples(torch.float32)
    stacked = torch.stack([logits + i / 2 for i in range(len(values))]).requires_grad_()
    members = vmap(lambda z, h: case(z, target, {name: h}))(stacked, torch.tensor(values, dtype=torch.float64))
    assert members.dtype == torch.float32, f"float32 logits gave {members.dtype}"
    (gradients,) = torch.autograd.grad(members.sum(), stacked)
    for z, h, member, gradient in zip(stacked.detach(), values, members, gradients, strict=True):
        assert_close((member, gradient), value_and_grad(case, z, target, {name: h}), rtol=1e-4, atol=1e-5)
