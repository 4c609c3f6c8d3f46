"""The head of the cosine + cross-entropy loss."""

import torch
from torch.nn import functional as F

from lossbench.losses import CosineXentHead as CosineXentHeadLoss
from lossbench.models.heads import CosineXentHead


def test_head_normalises_rectifies_batch_normalises_and_projects() -> None:
    torch.manual_seed(0)
    head, x = CosineXentHead(4), torch.randn(6, 4)
    output = head(x)
    unit = (x / x.norm(dim=-1, keepdim=True)).clamp_min(0)
    normal = (unit - unit.mean(0)) / (unit.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(output.logits, normal @ head.linear.weight.T + head.linear.bias)
    assert output.embedding is x


def test_head_counts_c_squared_plus_3_c_weights() -> None:
    assert sum(p.numel() for p in CosineXentHead(5).parameters()) == 5 * 5 + 3 * 5


def test_loss_reaches_embedding_and_head_and_predicts_with_the_head() -> None:
    torch.manual_seed(0)
    head, x, target = CosineXentHead(4), torch.randn(6, 4, requires_grad=True), torch.tensor([0, 1, 2, 3, 0, 1])
    output, loss = head(x), CosineXentHeadLoss(0.1)
    value = loss(output, target)
    expected = (1 - F.cosine_similarity(x, F.one_hot(target, 4).float())).mean() + 0.1 * F.cross_entropy(output.logits, target)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in [x, head.linear.weight, head.norm.weight])
    assert loss.logits(output) is output.logits


def test_zero_embedding_stays_finite() -> None:
    x = torch.zeros(4, 3, requires_grad=True)
    output = CosineXentHead(3)(x)
    CosineXentHeadLoss()(output, torch.tensor([0, 1, 2, 0])).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
