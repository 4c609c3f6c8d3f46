"""torch.compile leaves losses what they are."""

import pytest
import torch

from lossbench.losses.case import Case, examples
from tests.cases import CASES


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # of torch.compile itself
def test_a_compiled_loss_has_the_same_values_and_gradients(case: Case) -> None:
    logits, target, _ = examples(torch.float32)
    loss, found = case.module(), []
    for call in (loss, torch.compile(loss, backend="aot_eager")):
        leaf = logits.clone().requires_grad_()
        value = call(case.output(leaf), target)
        found.append((value.detach(), *torch.autograd.grad(value, leaf)))
    torch.testing.assert_close(found[0], found[1])
