"""How far predicted numbers, vectors, distributions and rates are from the actual ones."""

import math

import torch
from torch import Tensor

from lossbench.metrics.intervals import Metric, around, interval_of_mean


def regression_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge predicted numbers: how far off they are, and how much of the spread they explain.

    mae = mean |e|, rmse = sqrt(mean e^2), r2 = 1 - mean e^2 / var(target), e = output - target; with K targets mae and mean e^2 are means
    over all of them, r2 the mean of the K values. 95 % half-widths: 1.96 standard errors, of rmse and r2 by the delta method.

    Args:
        output: (n,) or (n, K), n >= 1.
        target: the same shape.

    Returns:
        Name to Metric: mae and rmse in the unit of the target, r2 at most 1; of a target that is the same in all examples 1 where all
        are right, else 0, as in scikit-learn.

    Raises:
        ValueError: shapes that differ.
    """
    o, t = _columns(output, target)
    square = (o - t).square()
    rmse = square.mean().sqrt().item()
    spread = (t - t.mean(0)).square()
    variance = torch.where(spread.mean(0) > 0, spread.mean(0), square.mean(0).clamp_min(1e-300))
    unexplained = square.mean(0) / variance
    moved = (unexplained * spread - square) / variance
    return {
        "mae": interval_of_mean((o - t).abs().mean(1)),
        "rmse": around(rmse, square.mean(1) / (2 * rmse) if rmse else square.mean(1)),
        "r2": around((1 - unexplained).mean().item(), moved.mean(1)),
    }


def vector_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge predicted directions: the mean angle between the predicted and the actual vector.

    Args:
        output: (n, D), n >= 1.
        target: (n, D).

    Returns:
        angle in degrees, 0..180, with 1.96 standard errors.

    Raises:
        ValueError: shapes that differ.
    """
    return {"angle": interval_of_mean(angles(*_columns(output, target)))}


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles between the rows of a and b, degrees: (n, D), (n, D) -> (n,). Exact near 0 and 180, where an arccosine is not."""
    u, v = (torch.nn.functional.normalize(vectors.double(), dim=-1) for vectors in (a, b))
    return torch.rad2deg(2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)))


def distribution_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge predicted distributions: KL(target || softmax(output)), and how much probability lies in the wrong place.

    kl = mean sum_c t_c log(t_c / p_c), total_variation = mean sum_c |t_c - p_c| / 2.

    Args:
        output: (n, C) logits or log-probabilities, n >= 1.
        target: (n, C) probabilities.

    Returns:
        kl in nats, >= 0, and total_variation, 0..1, with 1.96 standard errors.

    Raises:
        ValueError: shapes that differ.
    """
    o, t = _columns(output, target)
    log_p = o.log_softmax(1)
    kl = (torch.xlogy(t, t) - t * log_p).sum(1)
    return {"kl": interval_of_mean(kl), "total_variation": interval_of_mean((t - log_p.exp()).abs().sum(1) / 2)}


def count_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge predicted rates of counts: the Poisson deviance, and the absolute error of the rate.

    deviance = mean 2 (t log(t / r) - t + r), mae = mean |r - t|, r = exp(output)

    Args:
        output: (n,) or (n, K) log rates, n >= 1.
        target: the same shape, counts >= 0.

    Returns:
        deviance, >= 0 and about 1 where the counts are Poisson and the rates right, and mae in counts, with 1.96 standard errors.

    Raises:
        ValueError: shapes that differ.
    """
    o, t = _columns(output, target)
    deviance = 2 * (torch.xlogy(t, t) - t * o - t + o.exp())
    return {"deviance": interval_of_mean(deviance.mean(1)), "mae": interval_of_mean((o.exp() - t).abs().mean(1))}


def _columns(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64 (n, K) on the CPU."""
    if output.shape != target.shape or output.ndim < 1 or math.prod(output.shape) == 0:
        raise ValueError(
            f"output and target must have one shape (n, ...) with n >= 1, got {tuple(output.shape)} and {tuple(target.shape)}"
        )
    n = len(output)
    return output.detach().cpu().double().reshape(n, -1), target.detach().cpu().double().reshape(n, -1)
