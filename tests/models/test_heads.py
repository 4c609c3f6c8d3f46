"""Heads: of the cosine + cross-entropy loss, and those that turn a backbone's features into logits."""

import pytest
import torch
from torch.nn import functional as F

from lossbench.losses import CosineXentHead as CosineXentHeadLoss
from lossbench.models.heads import HEADS, ConcatPoolHead, CosineHead, CosineXentHead, LinearHead, make_head


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
    expected = (1 - F.cosine_similarity(x, F.one_hot(target, 4).float())).mean() + 0.1 * F.cross_entropy(
        output.logits, target
    )
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


def test_linear_head_pools_and_projects() -> None:
    head, x = LinearHead(3, 4), torch.randn(2, 3, 5, 7)
    mean = x.sum((2, 3)) / 35
    torch.testing.assert_close(head(x), mean @ head.linear.weight.T + head.linear.bias)


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_pooled_features_give_the_logits_of_their_map(name: str) -> None:
    head, x = make_head(name, 3, 4), torch.randn(2, 3, 5, 5)
    assert torch.equal(head(x), head(x.mean((2, 3))))


def test_concat_pool_head_equals_a_naive_twin() -> None:
    torch.manual_seed(0)
    head, x = ConcatPoolHead(3, 4, hidden=5), torch.randn(6, 3, 2, 2)
    norm_weight, norm_bias, first, inner, inner_bias, last = head.parameters()
    torch.manual_seed(1)
    expected = torch.cat([F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)], 1).flatten(1)
    expected = F.batch_norm(expected, None, None, norm_weight, norm_bias, training=True)
    expected = F.relu(F.dropout(expected, 0.25) @ first.T)
    expected = F.batch_norm(expected, None, None, inner, inner_bias, training=True)
    expected = F.dropout(expected, 0.5) @ last.T
    torch.manual_seed(1)
    torch.testing.assert_close(head(x), expected)
    assert [tuple(p.shape) for p in (first, last)] == [(5, 6), (4, 5)]


def test_concat_pool_head_refuses_features_without_positions() -> None:
    with pytest.raises(
        ValueError,
        match=r"^head=concat_pool needs feature maps \(batch, D, h, w\), got shape \(2, 3\); "
        r"use head=linear or cosine$",
    ):
        ConcatPoolHead(3, 4)(torch.randn(2, 3))


def test_cosine_head_is_a_scaled_cosine_within_the_scale() -> None:
    torch.manual_seed(0)
    head, x = CosineHead(3, 4, scale=5.0), 100 * torch.randn(50, 3)
    expected = 5 * torch.stack([F.cosine_similarity(x, row[None]) for row in head.weight], 1)
    torch.testing.assert_close(head(x), expected)
    assert head(x).abs().max() <= 5 * (1 + 1e-6)
    torch.testing.assert_close(head(head.weight).diagonal(), torch.full((4,), 5.0))


def test_cosine_head_sees_directions_only() -> None:
    head, x = CosineHead(3, 4), torch.randn(6, 3)
    logits = head(x)
    torch.testing.assert_close(head(1000 * x), logits)
    head.weight.data *= 0.01
    torch.testing.assert_close(head(x), logits)


def test_cosine_heads_default_scale_reaches_what_it_says() -> None:
    p = F.softmax(CosineHead(3, 900).scale * torch.cat([torch.ones(1), torch.full((899,), -1 / 899)]).double(), 0)[0]
    assert p >= 0.9999


def test_cosine_head_stays_finite_at_zero() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    head = CosineHead(3, 4)
    head(x).square().sum().backward()
    assert head(x).abs().max() == 0
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_cosine_head_computes_in_float32_under_autocast_and_in_float64_on_its_own() -> None:
    head, x = CosineHead(300, 4), torch.randn(6, 300, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(x)
    assert torch.equal(logits, head(x.float()))
    assert logits.dtype == torch.float32
    assert head(x.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "linaer"}, "^head=linaer is not allowed; choose one of linear, concat_pool, cosine$"),
        (
            {"name": "linear", "scale": 2.0},
            "^scale belongs to head=cosine, got scale=2.0 with head=linear; use scale=null$",
        ),
        ({"name": "cosine", "scale": 0.0}, "^scale must be > 0, got 0.0$"),
        ({"name": "cosine", "scale": "big"}, "^scale must be > 0, got 'big'$"),
    ],
)
def test_other_heads_and_scales_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_head(num_features=3, num_classes=4, **settings)


def test_every_name_makes_its_head() -> None:
    assert {name: type(make_head(name, 3, 4)) for name in HEADS} == HEADS
    cosine = make_head("cosine", 3, 4, scale=7.0)
    assert isinstance(cosine, CosineHead)
    assert cosine.scale == 7.0
