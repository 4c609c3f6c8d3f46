"""Published and independently computed numbers, and identities between the losses."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench import losses

START = torch.tensor(
    [
        [0.7448, 0.4770, 0.9744, 0.7301, 0.8500],
        [0.6688, 0.7645, 0.6790, 0.0454, 0.1290],
        [0.4919, 0.2358, 0.9810, 0.9704, 0.2762],
        [0.3241, 0.8553, 0.7690, 0.9935, 0.6545],
    ]
)
TARGET = torch.tensor([1, 2, 3, 0])


def train(loss: losses.Loss) -> tuple[list[float], Tensor]:
    logits = START.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits])
    history = []
    for step in range(5000):
        optimizer.zero_grad()
        value = loss(logits, TARGET)
        value.backward()
        optimizer.step()
        if step % 1000 == 0:
            history.append(value.item())
    return history, logits.detach()


@pytest.mark.parametrize(
    ("loss", "history", "row", "other", "of_other"),
    [
        (
            losses.CosineProb(0.9, 1.0),
            [1.03072, 0.37062, 0.11325, 0.05045, 0.02649],
            [-2.1671, 3.3889, -1.9374, -2.1818, -2.0619],
            losses.CrossEntropy(),
            0.0159,
        ),
        (
            losses.CrossEntropy(),
            [1.66132, 0.56661, 0.21057, 0.09623, 0.05014],
            [-1.8339, 3.0556, -1.6042, -1.8486, -1.7286],
            losses.CosineProb(0.9, 1.0),
            0.0266,
        ),
    ],
    ids=["cosine_prob", "cross_entropy"],
)
def test_toy_run(
    loss: losses.Loss, history: list[float], row: list[float], other: losses.Loss, of_other: float
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found, logits = train(loss)
    finally:
        torch.set_num_threads(threads)
    assert found == pytest.approx(history, abs=1e-4)
    assert logits[0].tolist() == pytest.approx(row, abs=1e-4)
    assert other(logits, TARGET).item() == pytest.approx(of_other, abs=1e-4)


@pytest.mark.parametrize(
    ("alpha", "beta", "p", "minimum"), [(2, 1, 0.682, -0.460), (1.9, 1, 0.718, -0.335), (0.9, 2, 0.808, -0.037)]
)
def test_cosine_prob_outside_its_region_is_negative_inside(alpha: float, beta: float, p: float, minimum: float) -> None:
    grid = torch.linspace(1e-4, 1 - 1e-4, 9999, dtype=torch.float64)
    logits = torch.stack([grid.log(), (1 - grid).log()], -1)
    values = losses.cosine_prob(logits, torch.zeros(9999, dtype=torch.int64), alpha=alpha, beta=beta)
    assert values.min().item() == pytest.approx(minimum, abs=6e-4)
    assert grid[values.argmin()].item() == pytest.approx(p, abs=6e-4)


@pytest.mark.parametrize("alpha", [0.1, 0.9, 1.5, 2.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_cosine_prob_inside_its_region_falls_to_zero(alpha: float, share: float) -> None:
    gaps = torch.linspace(-30, 30, 2001)
    logits = torch.stack([gaps, torch.zeros_like(gaps)], -1)
    values = losses.cosine_prob(
        logits, torch.zeros(2001, dtype=torch.int64), alpha=alpha, beta=share * math.pi * (1 - alpha / 2)
    )
    assert (values >= 0).all()
    assert (values.diff() <= 1e-6).all()
    assert values[-1] < 1e-6


def test_cosine_prob_is_accurate_near_certainty() -> None:
    gap = torch.tensor([[12.0, 0.0]])
    exact = losses.cosine_prob(gap.double(), torch.tensor([0]))
    torch.testing.assert_close(losses.cosine_prob(gap, torch.tensor([0])).double(), exact, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("function", "size"),
    [
        (losses.dot_product, 0.0010),
        (losses.cosine_prob, 0.0012),
        (losses.inverse_tuned, 0.795),
        (losses.cross_entropy, 0.999),
        (losses.inverse, 999),
    ],
)
def test_gradient_of_the_true_logit_at_chance(function: Callable[..., Tensor], size: float) -> None:
    logits = torch.zeros(1, 1000, requires_grad=True)
    function(logits, torch.tensor([3])).sum().backward()
    assert logits.grad is not None
    assert -logits.grad[0, 3].item() == pytest.approx(size, rel=1e-3, abs=5e-5)


@pytest.mark.parametrize(("classes", "floor", "scale"), [(1000, 5.909, 11.5), (37, 2.643, 8.1)])
def test_cross_entropy_of_unit_vectors_has_a_floor_that_a_scale_removes(
    classes: int, floor: float, scale: float
) -> None:
    best = torch.full((1, classes), -1 / (classes - 1), dtype=torch.float64)
    best[0, 0] = 1
    target = torch.tensor([0])
    assert losses.CosineXent(1.0).terms(best, target)["xent"].item() == pytest.approx(floor, abs=5e-4)
    assert floor == pytest.approx(math.log(1 + (classes - 1) * math.exp(-math.sqrt(classes / (classes - 1)))), abs=5e-4)
    assert losses.CosineXent(1.0, scale).terms(best, target)["xent"].exp().item() == pytest.approx(1 / 0.99, abs=1e-3)


def test_the_two_terms_of_cosine_xent_pull_the_same_way_with_1000_classes() -> None:
    logits = torch.randn(8, 1000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    terms = losses.CosineXent().terms(logits, torch.arange(8))
    cosine, xent = (torch.autograd.grad(term.sum(), logits, retain_graph=True)[0] for term in terms.values())
    assert F.cosine_similarity(cosine, xent).mean().item() == pytest.approx(0.9995, abs=2e-4)


def test_cosine_gradient_is_orthogonal_and_shrinks_with_the_norm() -> None:
    logits = torch.randn(8, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near, far = logits.clone().requires_grad_(), (10 * logits).requires_grad_()
    for z in (near, far):
        losses.cosine(z, torch.arange(8)).sum().backward()
    assert near.grad is not None
    assert far.grad is not None
    torch.testing.assert_close((near.grad * logits).sum(-1), torch.zeros(8, dtype=torch.float64))
    torch.testing.assert_close(far.grad, near.grad / 10)


def test_dot_product_and_logarithm_of_given_probabilities() -> None:
    logits, target = torch.tensor([[0.2, 0.3, 0.1, 0.4]]).log(), torch.tensor([1])
    assert losses.dot_product(logits, target).item() == pytest.approx(-0.3)
    assert losses.cross_entropy(logits, target).item() == pytest.approx(1.2039728)


@pytest.mark.parametrize("gap", [44.4, 60.0, 88.0, 100.0, 1e4])
def test_inverse_has_a_finite_gradient_where_the_softmax_form_overflows(gap: float) -> None:
    logits = torch.tensor([[0.0, gap]], requires_grad=True)
    loss = losses.inverse(logits, torch.tensor([0]))
    loss.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert loss.item() == pytest.approx(1 + math.exp(gap) if gap <= 60 else math.exp(60) * (1 + gap - 60), rel=1e-4)
    assert logits.grad[0, 1].item() == pytest.approx(math.exp(min(gap, 60)), rel=1e-4)


def identities() -> list:
    power, tuned = losses.power, losses.inverse_tuned
    return [
        pytest.param(lambda z, y: power(z, y, q=0), losses.cross_entropy, id="q=0 is cross-entropy"),
        pytest.param(
            lambda z, y: power(z, y, q=torch.tensor(0.0)), losses.cross_entropy, id="tensor q=0 is cross-entropy"
        ),
        pytest.param(lambda z, y: power(z, y, q=1e-9), losses.cross_entropy, id="q->0 is cross-entropy"),
        pytest.param(
            lambda z, y: power(z, y, q=1), lambda z, y: 1 + losses.dot_product(z, y), id="q=1 is 1 + dot_product"
        ),
        pytest.param(lambda z, y: power(z, y, q=-1), lambda z, y: losses.inverse(z, y) - 1, id="q=-1 is inverse - 1"),
        pytest.param(
            lambda z, y: power(z, y, q=-0.2), lambda z, y: (tuned(z, y) - 1) / 0.2, id="q=-0.2 is inverse_tuned"
        ),
        pytest.param(
            lambda z, y: losses.cosine_xent(z, y, xent_weight=0), losses.cosine, id="cosine_xent without xent"
        ),
        pytest.param(
            losses.cross_entropy, lambda z, y: F.cross_entropy(z, y, reduction="none"), id="torch's cross-entropy"
        ),
    ]


@pytest.mark.parametrize(("ours", "same"), identities())
def test_identities(ours: Callable[..., Tensor], same: Callable[..., Tensor]) -> None:
    logits = 3 * torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    target = torch.tensor([0, 1, 2, 3, 0, 1])
    a, b = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    torch.testing.assert_close(ours(a, target), same(b, target))
    torch.testing.assert_close(
        torch.autograd.grad(ours(a, target).sum(), a), torch.autograd.grad(same(b, target).sum(), b)
    )


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 0.5, 0.0]])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_is_torch_s(reduction: str, smoothing: float, weight: list[float] | None, soft: bool) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    target = torch.softmax(logits.flip(0), -1) if soft else torch.tensor([0, 1, 2, 3, 0, 1])
    torchs = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    expected = F.cross_entropy(logits, target, weight=torchs, label_smoothing=smoothing, reduction=reduction)
    found = losses.CrossEntropy(weight=weight, label_smoothing=smoothing, reduction=reduction)(logits, target)
    torch.testing.assert_close(found, expected)


def test_cross_entropy_wants_one_weight_for_each_class() -> None:
    with pytest.raises(ValueError, match="one number for each of the 4 classes"):
        losses.CrossEntropy(weight=[1.0, 2.0])(torch.zeros(2, 4), torch.tensor([0, 1]))
