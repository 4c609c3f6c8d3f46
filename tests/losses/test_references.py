"""Losses against other people's code, and against each other where they are the same."""

import math
from collections.abc import Callable

import numpy as np
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


def mixed() -> Tensor:
    return torch.softmax(numbers().flip(0), -1)


def effective(beta: float) -> Tensor:
    """The weights of Cui et al. 2019 with mean 1."""
    weights = torch.tensor([(1 - beta) / (1 - beta**n) for n in COUNTS], dtype=torch.float64)
    return weights / weights.mean()


def inverse_counts() -> Tensor:
    weights = 1 / torch.tensor(COUNTS, dtype=torch.float64)
    return weights / weights.mean()


def seesaw(z: Tensor) -> Tensor:
    """By factors on probabilities, through which no gradient flows."""
    n, one_hot = torch.tensor(COUNTS, dtype=torch.float64), F.one_hot(TARGET, 4)
    mitigation = (n / n[TARGET].unsqueeze(-1)).clamp_max(1) ** 0.8
    p = z.detach().softmax(-1)
    compensation = (p / p.gather(-1, TARGET.unsqueeze(-1)).clamp_min(0.01)).clamp_min(1) ** 2
    return xent(z + (mitigation * compensation).log() * (1 - one_hot))


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
    "bce smoothed, timm": (
        lambda z, y: losses.bce(z, y, smoothing=0.1),
        lambda z: BinaryCrossEntropy(smoothing=0.1, reduction="none")(z, TARGET).mean(-1),
        numbers,
    ),
    "bce weighted and thresholded, timm": (
        lambda z, y: losses.bce(z, y, weight=COUNTS, smoothing=0.4, target_threshold=0.2),
        lambda z: BinaryCrossEntropy(0.4, 0.2, torch.tensor(COUNTS), reduction="none")(z, TARGET).mean(-1),
        numbers,
    ),
    "bce of mixed targets thresholded, timm": (
        lambda z, y: losses.bce(z, mixed(), target_threshold=0.2),
        lambda z: BinaryCrossEntropy(0.0, 0.2, reduction="none")(z, mixed()).mean(-1),
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
    "class_balanced, torch's weights": (
        lambda z, y: losses.class_balanced(z, y, beta=0.99, class_counts=COUNTS),
        lambda z: F.cross_entropy(z, TARGET, effective(0.99), reduction="none"),
        numbers,
    ),
    "class_balanced beta=0": (lambda z, y: losses.class_balanced(z, y, beta=0, class_counts=COUNTS), xent, numbers),
    "class_balanced, counts far below 1 / (1 - beta)": (
        lambda z, y: losses.class_balanced(z, y, beta=1 - 1e-9, class_counts=COUNTS),
        lambda z: F.cross_entropy(z, TARGET, inverse_counts(), reduction="none"),
        numbers,
    ),
    "ldam, one count for all": (
        lambda z, y: losses.ldam(z, y, class_counts=[7] * 4, max_margin=0.35, scale=64),
        lambda z: losses.cosface(z, TARGET),
        cosines,
    ),
    "ldam without margin, torch's weights": (
        lambda z, y: losses.ldam(z, y, class_counts=COUNTS, max_margin=0.0, beta=0.99),
        lambda z: F.cross_entropy(30 * z, TARGET, effective(0.99), reduction="none"),
        cosines,
    ),
    "seesaw without factors": (
        lambda z, y: losses.seesaw(z, y, mitigation=0, compensation=0, class_counts=COUNTS),
        xent,
        numbers,
    ),
    "seesaw, as published in code": (lambda z, y: losses.seesaw(z, y, class_counts=COUNTS), seesaw, numbers),
    "confidence_penalty beta=0": (lambda z, y: losses.confidence_penalty(z, y, beta=0), xent, numbers),
    "confidence_penalty, torch's entropy": (
        lambda z, y: losses.confidence_penalty(z, y, beta=0.3),
        lambda z: xent(z) - 0.3 * torch.distributions.Categorical(logits=z).entropy(),
        numbers,
    ),
    "logit_penalty beta=0": (lambda z, y: losses.logit_penalty(z, y, beta=0), xent, numbers),
    "logit_norm, torch": (
        lambda z, y: losses.logit_norm(z, y, temperature=0.1),
        lambda z: xent(F.normalize(z, dim=-1) / 0.1),
        numbers,
    ),
    "square_loss, torch": (
        losses.square_loss,
        lambda z: F.mse_loss(z, F.one_hot(TARGET, 4).double(), reduction="none").mean(-1),
        numbers,
    ),
    "adacos, normalized_softmax": (
        losses.adacos,
        lambda z: losses.normalized_softmax(z, TARGET, temperature=1 / (math.sqrt(2) * math.log(3))),
        cosines,
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


def test_square_loss_of_a_linear_model_is_least_squares() -> None:
    """Its gradient is 0 at the solution of NumPy's least squares, and a few steps away it is not."""
    generator = torch.Generator().manual_seed(5)
    x, y = torch.randn(60, 6, generator=generator, dtype=torch.float64), torch.arange(60) % 4
    solution, *_ = np.linalg.lstsq(x.numpy(), np.eye(4)[y.numpy()], rcond=None)
    w = torch.tensor(solution, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.SquareLoss()(x @ w, y), w)
    torch.testing.assert_close(gradient, torch.zeros_like(w), rtol=0, atol=1e-12)
    trained = torch.zeros_like(w).requires_grad_()
    optimizer = torch.optim.LBFGS([trained], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-16)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = losses.SquareLoss()(x @ trained, y)
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(trained.detach(), w.detach(), rtol=0, atol=1e-6)


def test_ldam_is_weighted_once_the_weights_have_come() -> None:
    """Until then its mean is that of the examples, from then on it divides by their weights, as torch does."""
    cos, loss = cosines(), losses.LDAM(class_counts=COUNTS, max_margin=0.0, beta=0.99, defer=0.75)
    for progress, weight in ((0.0, None), (0.749, None), (0.75, effective(0.99)), (1.0, effective(0.99))):
        torch.testing.assert_close(loss.at(progress)(cos, TARGET), F.cross_entropy(30 * cos, TARGET, weight))


@pytest.mark.parametrize(
    ("loss", "p"),
    [
        (lambda z, y: losses.confidence_penalty(z, y), 0.9996),
        (lambda z, y: losses.confidence_penalty(z, y, beta=0.3), 0.85),
        (lambda z, y: losses.confidence_penalty(z, y, beta=1), 0.48),
        (lambda z, y: losses.logit_penalty(z, y), 0.992),
        (lambda z, y: losses.logit_penalty(z, y, beta=6e-3), 0.945),
        (lambda z, y: losses.logit_penalty(z, y, beta=0.1), 0.56),
    ],
)
def test_penalties_are_least_below_certainty(loss: Callable[[Tensor, Tensor], Tensor], p: float) -> None:
    """Where the docstrings say, with 10 classes whose other logits are equal and all sum to 0."""
    ahead = torch.linspace(0, 20, 20_001, dtype=torch.float64)
    logits = torch.cat([0.9 * ahead.unsqueeze(-1), (-0.1 * ahead.unsqueeze(-1)).expand(-1, 9)], -1)
    best = loss(logits, torch.zeros(len(ahead), dtype=torch.int64)).argmin()
    assert logits[best].softmax(-1)[0].item() == pytest.approx(p, abs=10.0 ** -len(str(p)[2:]) / 2 + 1e-4)
