"""How far predicted classes lie from the true ones, where the classes are in order. Torch-free at import.

What is predicted is the median of the probabilities (`OrderedClasses`), whatever the loss.
"""

from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate, jackknife, mean, proportion
from lossbench.metrics.registry import metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lossbench.metrics.ordered_classes import OrderedClasses


@metric("quadratic_kappa", better="higher", tasks=("ordinal",))
def quadratic_kappa(outputs: "OrderedClasses") -> Estimate:
    """1 - sum (predicted - true)^2 / (its sum over all pairs of a prediction and a target / n): at most 1, 0 by chance.

    NaN where all targets and predictions are one class. The interval is 1.96 standard errors of the jackknife.

    Reference:
        Cohen 1968, Weighted kappa: Nominal scale agreement with provision for scaled disagreement or partial credit.
    """
    predicted, target = outputs.median.double(), outputs.targets.double()
    terms = [(predicted - target).square(), predicted.square() + target.square(), predicted, target]
    sums = [term.sum(1, keepdim=True) for term in terms]
    value = _kappa(sums, outputs.n)[:, 0]

    def parts() -> "Tensor":
        left = [whole - own for whole, own in zip(sums, terms, strict=True)]
        return jackknife(value, _kappa(left, max(1, outputs.n - 1)))

    return Estimate(value, lambda: mean(parts()).half_width(), parts)  # pyright: ignore[reportOptionalCall] - a mean has one


def _kappa(sums: "Sequence[Tensor]", n: int) -> "Tensor":
    """Kappa of sums over n examples: of (p - t)^2, p^2 + t^2, p and t."""
    errors, squares, predicted, target = sums
    by_chance = squares - 2 * predicted * target / n
    return (1 - errors / by_chance).where(by_chance > 0, float("nan"))


@metric("within_one_accuracy", unit="%", better="higher", tasks=("ordinal",))
def within_one_accuracy(outputs: "OrderedClasses") -> Estimate:
    """mean [|predicted - true| <= 1], with Wilson's interval."""
    return proportion(outputs.errors.abs() <= 1)
