"""How far predicted numbers, vectors, distributions and rates are from the actual ones. Torch-free at import.

With e = predicted - target, and mean over the n examples and the D values of each. Intervals are 1.96 standard errors.
"""

from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate, around, mean
from lossbench.metrics.registry import metric

if TYPE_CHECKING:
    from lossbench.metrics.ordered_classes import OrderedClasses
    from lossbench.metrics.vectors import Distributions, Rates, Vectors


@metric("angle", unit="degrees", better="lower", tasks=("vectors",), headline=True)
def angle(outputs: "Vectors") -> Estimate:
    """Mean angle between the predicted and the actual vector, degrees, 0..180."""
    return mean(outputs.angles)


@metric("kl", unit="nats", better="lower", tasks=("distribution",), headline=True)
def kl(outputs: "Distributions") -> Estimate:
    """mean sum_c t_c log(t_c / p_c), nats, >= 0: KL(target || predicted)."""
    t = outputs.target
    return mean((t.xlogy(t) - t * outputs.log_p).sum(-1))


@metric("total_variation", better="lower", tasks=("distribution",))
def total_variation(outputs: "Distributions") -> Estimate:
    """mean sum_c |t_c - p_c| / 2: how much probability lies in the wrong place, 0..1."""
    return mean((outputs.target - outputs.predicted).abs().sum(-1) / 2)


@metric("deviance", better="lower", tasks=("count",), headline=True)
def deviance(outputs: "Rates") -> Estimate:
    """mean 2 (t log(t / r) - t + r), r the rate: the Poisson deviance, >= 0.

    It is about 1 where the counts are Poisson and the rates right.
    """
    t = outputs.target
    return mean((2 * (t.xlogy(t) - t * outputs.output - t + outputs.predicted)).mean(-1))


@metric("mae", better="lower", tasks=("regression", "count", "ordinal"), headline=True)
def mae(outputs: "Vectors | OrderedClasses") -> Estimate:
    """mean |e|, in the unit of the target; of classes in order in classes, of the median of the probabilities."""
    from lossbench.metrics.ordered_classes import OrderedClasses

    if isinstance(outputs, OrderedClasses):
        return mean(outputs.errors.abs())
    return mean((outputs.predicted - outputs.target).abs().mean(-1))


@metric("rmse", better="lower", tasks=("regression",))
def rmse(outputs: "Vectors") -> Estimate:
    """sqrt(mean e^2), in the unit of the target; its interval by the delta method."""
    square = (outputs.predicted - outputs.target).square()
    root = square.flatten(1).mean(1).sqrt()
    slope = (2 * root).where(root > 0, 1.0)[:, None]
    return around(root, square.mean(-1) / slope)


@metric("r2", better="higher", tasks=("regression",))
def r2(outputs: "Vectors") -> Estimate:
    """1 - mean e^2 / var(target), mean over the D values of an example; its interval by the delta method.

    Of a target that is the same in all examples it is 1 where all are right, else 0, as in scikit-learn.
    """
    square = (outputs.predicted - outputs.target).square()
    spread = (outputs.target - outputs.target.mean(0)).square()
    variance = spread.mean(0).where(spread.mean(0) > 0, square.mean(1).clamp_min(1e-300))
    unexplained = square.mean(1) / variance
    moved = (unexplained[:, None] * spread - square) / variance[..., None, :]
    return around((1 - unexplained).mean(1), moved.mean(-1))
