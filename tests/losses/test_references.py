"""Losses against other people's code, and against each other where they are the same."""

import math
from collections.abc import Callable

import pytest
import torch
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from lossbench import losses

TARGET = torch.tensor([0, 1, 2, 3, 0, 1])
COUNTS = [100, 20, 4, 1]


def numbers() -> Tensor:
    return 3 * torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def cosines() -> Tensor:
    generator = torch.Generator().manual_seed(4)
    features, classes = (
        F.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1) for n in (6, 4)
    )
    return features @ classes.T


def arc(cos: Tensor) -> Tensor:
    one_hot = F.one_hot(TARGET, 4).bool()
    angle = cos.acos()
    return F.cross_entropy(
        64 * torch.where(one_hot & (angle < math.pi - 0.5), (angle + 0.5).cos(), cos), TARGET, reduction="none"
    )


def xent(z: Tensor) -> Tensor:
    return F.cross_entropy(z, TARGET, reduction="none")


def power(z: Tensor) -> Tensor:
    return 2 * losses.power(z, TARGET, q=1)


def prior() -> Tensor:
    return (torch.tensor(COUNTS, dtype=torch.float64) / 125).log()


PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor], Tensor], Callable[[], Tensor]]] = {
    "bce, torch": (
        losses.bce,
        lambda z: F.binary_cross_entropy_with_logits(z, F.one_hot(TARGET, 4).double(), reduction="none").mean(-1),
        numbers,
    ),
    "bce, timm": (
        losses.bce,
        lambda z: BinaryCrossEntropy(smoothing=0.0, reduction="none")(z, TARGET).mean(-1),
        numbers,
    ),
    "label_smoothing, timm": (
        lambda z, y: losses.cross_entropy(z, y, label_smoothing=0.1).mean(),
        lambda z: LabelSmoothingCrossEntropy(0.1)(z, TARGET),
        numbers,
    ),
    "mae_prob, torch": (
        losses.mae_prob,
        lambda z: F.l1_loss(z.softmax(-1), F.one_hot(TARGET, 4).double(), reduction="none").sum(-1),
        numbers,
    ),
    "logit_adjusted, torch": (
        lambda z, y: losses.logit_adjusted(z, y, class_counts=COUNTS),
        lambda z: xent(z + prior()),
        numbers,
    ),
    "normalized_softmax, torch": (losses.normalized_softmax, lambda z: xent(z / 0.05), cosines),
    "cosface, torch": (losses.cosface, lambda z: xent(64 * (z - 0.35 * F.one_hot(TARGET, 4))), cosines),
    "arcface, by angles": (losses.arcface, arc, cosines),
    "focal gamma=0": (lambda z, y: losses.focal(z, y, gamma=0), xent, numbers),
    "poly1 epsilon=0": (lambda z, y: losses.poly1(z, y, epsilon=0), xent, numbers),
    "symmetric, xent alone": (
        lambda z, y: losses.symmetric_cross_entropy(z, y, xent_weight=1, reverse_weight=0),
        xent,
        numbers,
    ),
    "symmetric, reverse alone": (
        lambda z, y: losses.symmetric_cross_entropy(z, y, xent_weight=0, log_zero=-2),
        lambda z: losses.mae_prob(z, TARGET),
        numbers,
    ),
    "mae_prob, power": (losses.mae_prob, power, numbers),
    "logit_adjusted tau=0": (lambda z, y: losses.logit_adjusted(z, y, tau=0, class_counts=COUNTS), xent, numbers),
    "logit_adjusted, equal counts": (lambda z, y: losses.logit_adjusted(z, y, class_counts=[7] * 4), xent, numbers),
    "cosface margin=0": (lambda z, y: losses.cosface(z, y, margin=0, scale=16), lambda z: xent(16 * z), cosines),
    "arcface margin=0": (lambda z, y: losses.arcface(z, y, margin=0, scale=16), lambda z: xent(16 * z), cosines),
    "tvmf kappa=0": (lambda z, y: losses.tvmf(z, y, kappa=0), lambda z: xent(16 * z), cosines),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients_agree(name: str) -> None:
    ours, theirs, given = PAIRS[name]
    a, b = given().requires_grad_(), given().requires_grad_()
    torch.testing.assert_close(ours(a, TARGET), theirs(b))
    torch.testing.assert_close(torch.autograd.grad(ours(a, TARGET).sum(), a), torch.autograd.grad(theirs(b).sum(), b))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_of_two_classes_is_torchvision_s(gamma: float) -> None:
    x, target = torch.linspace(-8, 8, 33, dtype=torch.float64), torch.arange(33) % 2
    found = losses.focal(torch.stack([torch.zeros_like(x), x], -1), target, gamma=gamma)
    torch.testing.assert_close(found, sigmoid_focal_loss(x, target.double(), alpha=-1, gamma=gamma))


def test_margins_of_a_soft_target_are_exact_where_a_class_is_certain() -> None:
    # the cosface loss of the winning class, 1e-7 in probability, is far below float32's 1 - p
    cos = torch.tensor([[0.9, 0.0, -0.2]])
    for target in (torch.tensor([0]), torch.tensor([[1.0, 0.0, 0.0]])):
        found = losses.cosface(cos, target).double()
        exact = math.log1p((1 + math.exp(-0.2 * 64)) * math.exp(-64 * (0.9 - 0.35)))
        torch.testing.assert_close(found, torch.tensor([exact], dtype=torch.float64), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("cos", [-1.0, 1.0])
def test_arcface_has_a_finite_gradient_at_the_ends(cos: float) -> None:
    for target in (torch.tensor([0]), torch.tensor([[1.0, 0.0]])):
        z = torch.tensor([[cos, 0.5]], requires_grad=True)
        losses.arcface(z, target).sum().backward()
        assert z.grad is not None
        assert z.grad.isfinite().all()


def test_arcface_falls_with_the_true_class_s_cosine_all_the_way() -> None:
    cos = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    values = losses.arcface(
        torch.stack([cos, torch.zeros_like(cos)], -1), torch.zeros(2001, dtype=torch.int64), margin=1.0, scale=4.0
    )
    assert (values.diff() < 0).all()


def test_sums_of_many_sigmoids_keep_their_digits_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    for spread, shift in ((1, 0), (4, -4), (30, 0), (0.1, -12)):
        z = shift + spread * torch.randn(20, 1003, generator=generator)
        target = torch.randint(1003, (20,), generator=generator)
        exact = 1003 * losses.bce(z.double(), F.one_hot(target, 1003).double())
        torch.testing.assert_close(1003 * losses.bce(z, target).double(), exact, rtol=1e-6, atol=5e-6)


def test_logit_adjusted_wants_one_count_for_each_class() -> None:
    with pytest.raises(ValueError, match=r"class_counts must have one number for each of the 4 classes, got \(2,\)"):
        losses.LogitAdjusted(class_counts=[1, 2])(torch.zeros(2, 4), torch.tensor([0, 1]))


def test_predictions_of_the_margin_losses_are_scaled_cosines_without_the_margin() -> None:
    cos = cosines()
    torch.testing.assert_close(losses.NormalizedSoftmax(0.05).logits(cos), 20 * cos)
    torch.testing.assert_close(losses.CosFace().logits(cos), 64 * cos)
    torch.testing.assert_close(losses.ArcFace().logits(cos), 64 * cos)
    torch.testing.assert_close(losses.TvMF(4.0, 10.0).logits(cos), 10 * ((1 + cos) / (1 + 4 * (1 - cos)) - 1))
