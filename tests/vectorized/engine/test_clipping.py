"""Each run's gradient is clipped as torch clips that of one."""

import copy
import math

import pytest
import torch
from torch import nn

from lossbench.vectorized.engine.clipping import clipped, max_norms

NORMS = {"one for all": [0.5] * 4, "each its own": [0.1, None, 1e6, 2.0], "none": [None] * 4}


@pytest.mark.parametrize("given", NORMS.values(), ids=NORMS.keys())
@pytest.mark.parametrize("innermost", [False, True])
def test_clipped_is_what_torch_clips(given: list[float | None], innermost: bool) -> None:
    gradients = [torch.randn(4, *shape, dtype=torch.float64) for shape in ((3, 5), (3,), ())]
    before = copy.deepcopy(gradients)
    if innermost:
        gradients = [each.movedim(0, -1).contiguous().movedim(-1, 0) for each in gradients]
    norms = max_norms(given, torch.device("cpu"))
    assert (norms is None) == (set(given) == {None})
    found = gradients if norms is None else clipped(gradients, norms)
    for k, norm in enumerate(given):
        alone = [nn.Parameter(torch.zeros_like(each[k])) for each in before]
        for parameter, each in zip(alone, before, strict=True):
            parameter.grad = each[k].clone()
        if norm is not None:
            nn.utils.clip_grad_norm_(alone, norm)
        torch.testing.assert_close([each[k] for each in found], [each.grad for each in alone], rtol=1e-14, atol=0)


def test_an_infinite_gradient_of_a_run_that_is_not_clipped_stays() -> None:
    found = clipped([torch.tensor([[1.0, math.inf], [3.0, 4.0]])], torch.tensor([math.inf, 1.0]))
    torch.testing.assert_close(found[0], torch.tensor([[1.0, math.inf], [0.6, 0.8]]))
