"""A linear probe: multinomial logistic regression on features, its weight decay chosen on a validation split."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

WEIGHT_DECAYS = tuple(10 ** (k / 2) for k in range(2, -13, -1))
"""From 10 down to 1e-6, two a decade."""
MOST_ITERATIONS = 500
"""Of L-BFGS for each weight decay; each begins where the stronger one before it has ended."""
GOOD, EXACT = 1e-5, 1e-8
"""Largest derivative of the mean loss at which L-BFGS ends: while a weight decay is chosen, and of the one chosen."""
PATIENCE = 4
"""Weight decays in a row, two decades, that bring nothing better: weaker ones are then not tried."""


class Examples(NamedTuple):
    """Features (n, D), and targets (n,) of class indices."""

    features: Tensor
    targets: Tensor


@dataclass(frozen=True)
class LinearProbe:
    """What was fitted.

    Args:
        mean: of each feature in the training split, (D,).
        deviation: its standard deviation there, (D,); 1 of a feature that does not vary.
        weight: (D, C).
        bias: (C,).
        weight_decay: the one that was chosen.
        iterations: of L-BFGS with this weight decay.
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor
    weight_decay: float
    iterations: int

    @property
    def at_edge(self) -> bool:
        """Whether a weight decay beyond those that were tried might have been better."""
        return self.weight_decay in (WEIGHT_DECAYS[0], WEIGHT_DECAYS[-1])

    def __call__(self, features: Tensor) -> Tensor:
        """Map features (n, D) to logits (n, C), float64."""
        return (features.double() - self.mean) / self.deviation @ self.weight + self.bias


class _Scored(NamedTuple):
    """A probe's validation accuracy, then its likelihood: what a choice goes by."""

    accuracy: float
    log_likelihood: float


def fit_probe(train: Examples, val: Examples, num_classes: int) -> LinearProbe:
    """Fit a linear probe with weaker and weaker weight decay and choose the one with the best validation accuracy.

    For each weight decay l it is the minimum over W and b of

        mean over i of -log softmax(W^T x_i + b)[y_i]  +  l / 2 ||W||^2

    by L-BFGS in float64, x being standardised as the training split says. Ties go to the lower validation
    cross-entropy, then to the stronger decay. Nothing is drawn at random.

    Args:
        train: what is fitted.
        val: what chooses the weight decay; it is never fitted.
        num_classes: C.

    Reference:
        Kornblith et al. 2019, Do Better ImageNet Models Transfer Better?, arXiv 1805.08974: L-BFGS and a grid of weight
        decays chosen on validation data; there 45 values, and a last fit on train and val together, which is not done.
    """
    features = train.features.double()
    mean, deviation = features.mean(0), features.std(0, correction=0)
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    inputs = (features - mean) / deviation
    weight, bias = inputs.new_zeros(inputs.shape[1], num_classes), inputs.new_zeros(num_classes)
    probes: list[LinearProbe] = []
    scores: list[_Scored] = []
    for weight_decay in WEIGHT_DECAYS:
        weight, bias, iterations = _minimum(inputs, train.targets, weight, bias, weight_decay)
        probes.append(LinearProbe(mean, deviation, weight, bias, weight_decay, iterations))
        scores.append(_score(probes[-1], val))
        if len(scores) - scores.index(max(scores)) > PATIENCE:
            break
    best = probes[scores.index(max(scores))]
    end = _minimum(inputs, train.targets, best.weight, best.bias, best.weight_decay, EXACT)
    return replace(best, weight=end[0], bias=end[1], iterations=best.iterations + end[2])


def _score(probe: LinearProbe, val: Examples) -> _Scored:
    logits = probe(val.features)
    accuracy = (logits.argmax(1) == val.targets).double().mean()
    return _Scored(float(accuracy), -float(F.cross_entropy(logits, val.targets)))


def _minimum(
    inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, weight_decay: float, tolerance: float = GOOD
) -> tuple[Tensor, Tensor, int]:
    """Minimise the penalised cross-entropy from a weight (D, C) and a bias (C,) on; also count the iterations."""
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MOST_ITERATIONS,
        max_eval=2 * MOST_ITERATIONS,
        history_size=20,
        tolerance_grad=tolerance,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(inputs @ weight + bias, targets) + weight_decay / 2 * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
    (state,) = [each for each in optimizer.state_dict()["state"].values() if each]
    return weight.detach(), bias.detach(), int(state["n_iter"])
