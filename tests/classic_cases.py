"""One row for each loss of another task than classification: what it should compute, and torch's own module for it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from lossbench import losses


@dataclass(frozen=True)
class ClassicCase:
    """A loss with a naive reference of one example, and torch's module on whole batches."""

    name: str
    module: type[losses.Loss]
    function: Callable[..., Tensor]
    reference: Callable[..., float]
    theirs: Callable[..., Callable[[Tensor, Tensor], Tensor]]
    shape: tuple[int, ...]  # of one output
    target: Callable[[torch.Generator, int], Tensor]
    settings: tuple[dict[str, Any], ...] = ({},)
    sweep: dict[str, list[float]] = field(default_factory=dict)


def _reals(*shape: int) -> Callable[[torch.Generator, int], Tensor]:
    return lambda generator, n: 2 * torch.randn(n, *shape, generator=generator, dtype=torch.float64)


def _signs(generator: torch.Generator, n: int) -> Tensor:
    return 2.0 * torch.randint(2, (n,), generator=generator).double() - 1


def _cos(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def _huber(o: np.ndarray, t: np.ndarray, delta: float = 1.0) -> float:
    e = [abs(x) for x in (o - t).tolist()]
    return sum(x * x / 2 if x <= delta else delta * (x - delta / 2) for x in e) / len(e)


def _smooth_l1(o: np.ndarray, t: np.ndarray, beta: float = 1.0) -> float:
    return _huber(o, t, beta) / beta


def _cosine_embedding(o: np.ndarray, y: float, margin: float = 0.0) -> float:
    return 1 - _cos(*o) if y > 0 else max(0.0, _cos(*o) - margin)


def _triplet(o: np.ndarray, y: float, margin: float = 1.0) -> float:
    near, far = (math.sqrt(sum((o[0] - other + 1e-6) ** 2)) for other in o[1:])  # torch adds 1e-6 to every difference
    return max(0.0, near - far + margin)


def _kl(o: np.ndarray, t: np.ndarray) -> float:
    p = np.exp(o) / np.exp(o).sum()
    return float(sum(a * math.log(a / b) for a, b in zip(t, p, strict=True) if a > 0))


def _poisson(o: np.ndarray, t: np.ndarray, full: bool = False) -> float:
    def one(x: float, k: float) -> float:
        stirling = k * math.log(k) - k + math.log(2 * math.pi * k) / 2 if full and k > 1 else 0.0
        return math.exp(x) - k * x + stirling

    return sum(one(x, k) for x, k in zip(o.tolist(), t.tolist(), strict=True)) / len(o)


def _distributions(generator: torch.Generator, n: int) -> Tensor:
    t = torch.softmax(2 * torch.randn(n, 5, generator=generator, dtype=torch.float64), -1)
    t[0] = torch.tensor([0.0, 0.5, 0.5, 0, 0])
    return t


def _pair_form(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda output, target: module(*output.unbind(1), target)


def _labels(generator: torch.Generator, n: int) -> Tensor:
    return torch.randint(2, (n, 4), generator=generator).double()


def _asymmetric(
    o: np.ndarray,
    t: np.ndarray,
    gamma_negative: float = 4.0,
    gamma_positive: float = 0.0,
    margin: float = 0.05,
    weight: list[float] | None = None,
) -> float:
    terms = []
    for z, holds, w in zip(o.tolist(), t.tolist(), weight or [1.0] * len(o), strict=True):
        s = 1 / (1 + math.exp(-z))
        m = max(s - margin, 0.0)
        terms.append(-w * ((1 - s) ** gamma_positive * math.log(s) if holds else m**gamma_negative * math.log(1 - m)))
    return sum(terms) / len(terms)


def _asymmetric_module(reduction: str, **options: Any) -> Callable[..., Tensor]:
    """Written as in the authors' code, whose gradient does not matter here."""

    def module(x: Tensor, y: Tensor) -> Tensor:
        gammas, clip = (
            (options.get("gamma_positive", 0.0), options.get("gamma_negative", 4.0)),
            options.get("margin", 0.05),
        )
        positive = torch.sigmoid(x)
        negative = (1 - positive + clip).clamp(max=1)
        log_p = y * positive.log() + (1 - y) * negative.log()
        pt = positive * y + negative * (1 - y)
        values = (
            -log_p * (1 - pt) ** (gammas[0] * y + gammas[1] * (1 - y)) * torch.tensor(options.get("weight", [1.0] * 4))
        )
        return values.mean() if reduction == "mean" else values.sum()

    return module


def _sigmoid_focal(
    o: np.ndarray, t: np.ndarray, alpha: float = 0.25, gamma: float = 2.0, weight: list[float] | None = None
) -> float:
    terms = []
    for z, holds, w in zip(o.tolist(), t.tolist(), weight or [1.0] * len(o), strict=True):
        s = 1 / (1 + math.exp(-z))
        p, share = (s, alpha) if holds else (1 - s, 1 - alpha)
        terms.append(-w * share * (1 - p) ** gamma * math.log(p))
    return sum(terms) / len(terms)


def _sigmoid_focal_module(reduction: str, weight: list[float] | None = None, **options: Any) -> Callable[..., Tensor]:
    """torchvision's, whose values are weighted here."""

    def module(x: Tensor, y: Tensor) -> Tensor:
        values = sigmoid_focal_loss(x, y, reduction="none", **options) * torch.tensor(weight or [1.0] * 4)
        return values.mean() if reduction == "mean" else values.sum()

    return module


def _kl_module(reduction: str) -> Callable[..., Tensor]:
    module = nn.KLDivLoss(reduction="batchmean" if reduction == "mean" else reduction)
    return lambda output, target: module(output.log_softmax(1), target)


CLASSIC = (
    ClassicCase("l1", losses.L1, losses.l1, lambda o, t: float(np.abs(o - t).mean()), nn.L1Loss, (3,), _reals(3)),
    ClassicCase("mse", losses.MSE, losses.mse, lambda o, t: float(((o - t) ** 2).mean()), nn.MSELoss, (3,), _reals(3)),
    ClassicCase(
        "huber",
        losses.Huber,
        losses.huber,
        _huber,
        nn.HuberLoss,
        (3,),
        _reals(3),
        ({}, {"delta": 0.3}),
        {"delta": [0.1, 1.0, 3.0]},
    ),
    ClassicCase(
        "smooth_l1",
        losses.SmoothL1,
        losses.smooth_l1,
        _smooth_l1,
        nn.SmoothL1Loss,
        (3,),
        _reals(3),
        ({}, {"beta": 0.3}),
        {"beta": [0.1, 1.0, 3.0]},
    ),
    ClassicCase(
        "margin_ranking",
        losses.MarginRanking,
        losses.margin_ranking,
        lambda o, y, margin=0.0: max(0.0, margin - float(y) * float(o[0] - o[1])),
        lambda **options: _pair_form(nn.MarginRankingLoss(**options)),
        (2,),
        _signs,
        ({}, {"margin": 1.5}),
        {"margin": [0.0, 0.5, 2.0]},
    ),
    ClassicCase(
        "cosine_embedding",
        losses.CosineEmbedding,
        losses.cosine_embedding,
        _cosine_embedding,
        lambda **options: _pair_form(nn.CosineEmbeddingLoss(**options)),
        (2, 4),
        _signs,
        ({}, {"margin": 0.3}, {"margin": -0.5}),
        {"margin": [-0.5, 0.0, 0.5]},
    ),
    ClassicCase(
        "triplet_margin",
        losses.TripletMargin,
        losses.triplet_margin,
        _triplet,
        lambda **options: lambda output, target: nn.TripletMarginLoss(**options)(*output.unbind(1)),
        (3, 4),
        lambda generator, n: torch.ones(n, dtype=torch.float64),
        ({}, {"margin": 3.0}),
        {"margin": [0.2, 1.0, 5.0]},
    ),
    ClassicCase(
        "cosine_distance",
        losses.CosineDistance,
        losses.cosine_distance,
        lambda o, t: 1 - _cos(o, t),
        lambda **options: (
            lambda output, target: nn.CosineEmbeddingLoss(**options)(output, target, torch.ones(len(output)))
        ),
        (4,),
        _reals(4),
    ),
    ClassicCase(
        "kl_div",
        losses.KLDiv,
        losses.kl_div,
        _kl,
        _kl_module,
        (5,),
        _distributions,
    ),
    ClassicCase(
        "asymmetric",
        losses.Asymmetric,
        losses.asymmetric,
        _asymmetric,
        _asymmetric_module,
        (4,),
        _labels,
        (
            {},
            {"gamma_negative": 0.5, "gamma_positive": 0.5, "margin": 0.3},
            {"gamma_negative": 0.0, "margin": 0.0, "weight": [1.0, 2.0, 0.0, 3.0]},
        ),
        {"gamma_negative": [0.0, 1.0, 4.0], "gamma_positive": [0.0, 0.5, 1.0], "margin": [0.0, 0.05, 0.2]},
    ),
    ClassicCase(
        "sigmoid_focal",
        losses.SigmoidFocal,
        losses.sigmoid_focal,
        _sigmoid_focal,
        _sigmoid_focal_module,
        (4,),
        _labels,
        ({}, {"alpha": 0.9, "gamma": 0.5}, {"gamma": 0.0, "weight": [1.0, 2.0, 0.0, 3.0]}),
        {"alpha": [0.1, 0.25, 0.5], "gamma": [0.0, 0.5, 2.0]},
    ),
    ClassicCase(
        "poisson_nll",
        losses.PoissonNLL,
        losses.poisson_nll,
        _poisson,
        nn.PoissonNLLLoss,
        (2,),
        lambda generator, n: torch.poisson(torch.full((n, 2), 2.0, dtype=torch.float64), generator),
        ({}, {"full": True}),
    ),
)
