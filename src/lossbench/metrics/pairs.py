"""How often a model orders pairs and triplets rightly."""

from torch import Tensor
from torch.nn import functional as F

from lossbench.metrics.intervals import Metric, interval_of_mean, proportion
from lossbench.metrics.regression import angles

SIMILAR = 0.5  # the cosine above which two embeddings count as similar: halfway between unrelated and the same


def ranking_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge scores: how often the one that should rank first has the higher score.

    Args:
        output: (n, 2) scores, or (n, 2, 1).
        target: (n,), +1 where the first should rank higher, -1 where the second should.

    Returns:
        pair_accuracy, 0..1, with Wilson's interval; equal scores count as wrong.

    Raises:
        ValueError: a wrong shape, or a target that is neither.
    """
    scores, y = _stacked(output.reshape(len(output), -1, 1), target, 2)
    return {"pair_accuracy": proportion((scores[:, 0, 0] - scores[:, 1, 0]) * y > 0)}


def similarity_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge embeddings of pairs: how often their cosine tells the similar from the others.

    Args:
        output: (n, 2, D).
        target: (n,), +1 for similar, -1 for not.

    Returns:
        pair_accuracy, 0..1: cosine above 0.5 where similar, else not, with Wilson's interval; angle_similar, the mean angle between the
        embeddings of similar pairs in degrees, where there are any.

    Raises:
        ValueError: a wrong shape, or a target that is neither.
    """
    pair, y = _stacked(output, target, 2)
    first, second = pair.unbind(1)
    metrics = {"pair_accuracy": proportion((F.cosine_similarity(first, second) > SIMILAR) == (y > 0))}
    if (y > 0).any():
        metrics["angle_similar"] = interval_of_mean(angles(first, second)[y > 0])
    return metrics


def triplet_metrics(output: Tensor, target: Tensor) -> dict[str, Metric]:
    """Judge embeddings of triplets: how often the positive is nearer to the anchor than the negative.

    Args:
        output: (n, 3, D): anchor, positive, negative.
        target: (n,), all +1.

    Returns:
        pair_accuracy, 0..1, with Wilson's interval; equal distances count as wrong.

    Raises:
        ValueError: a wrong shape.
    """
    anchor, positive, negative = _stacked(output, target, 3)[0].unbind(1)
    return {"pair_accuracy": proportion((anchor - positive).norm(dim=-1) < (anchor - negative).norm(dim=-1))}


def _stacked(output: Tensor, target: Tensor, members: int) -> tuple[Tensor, Tensor]:
    if output.ndim != 3 or output.shape[1] != members or target.shape != output.shape[:1]:
        expected = f"(n, {members}, D) and (n,)"
        raise ValueError(
            f"output and target must have shapes {expected}, got {tuple(output.shape)} and {tuple(target.shape)}"
        )
    y = target.detach().cpu().double()
    if not (y.abs() == 1).all():
        raise ValueError(f"target must be +1 or -1, got {y[y.abs() != 1][0].item():g}")
    return output.detach().cpu().double(), y
