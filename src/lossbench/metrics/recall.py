"""Mean accuracy over classes, each of which counts once. Torch-free at import."""

from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate, jackknife, wilson

if TYPE_CHECKING:
    from torch import Tensor

    from lossbench.metrics.classes import Classes


def mean_recall(outputs: "Classes", among: "Tensor | None" = None) -> Estimate:
    """Average the accuracy of the classes that occur in target.

    The interval is Wilson's, of the number of examples that equally large classes would need for the same variance.

    Args:
        outputs: of K runs on a split.
        among: which classes count, (K, C) or (1, C) of bool; None counts all.

    Returns:
        (K,) within [0, 1]; NaN where none of these classes occurs.
    """
    # Not torchmetrics' macro average: it counts a class that is predicted but absent from target as recall 0, and under
    # torch.use_deterministic_algorithms(True) it allocates n * C^2 integers.
    support = outputs.support
    occurs = support > 0 if among is None else (support > 0) & among
    classes = occurs.sum(1)
    recall = (outputs.hits / support.clamp_min(1)).where(occurs, 0.0)
    mean = recall.sum(1) / classes

    def half_width() -> "Tensor":
        sizes = support.double()
        # n - 1, because classes are often small and many; a class of one example has no spread and gets the average's.
        own, average = recall * (1 - recall) / (sizes - 1), (mean * (1 - mean))[:, None]
        variance = own.where(sizes > 1, average).where(occurs, 0.0).sum(1) / classes**2
        effective = classes**2 / (1 / sizes).where(occurs, 0.0).sum(1)
        return wilson(variance, effective) if outputs.n > 1 else mean * float("nan")

    def parts() -> "Tensor":
        counts, sizes, own = (
            of_classes.expand(len(recall), -1).gather(1, outputs.targets)
            for of_classes in (occurs, support, outputs.hits)
        )
        left = (own - outputs.correct.double()) / (sizes - 1).clamp_min(1)  # 0 where the class has no other example
        without = recall.sum(1, keepdim=True) + (left - own / sizes).where(counts, 0.0)
        return jackknife(mean, without / (classes[:, None] - ((sizes == 1) & counts).long()).clamp_min(1))

    return Estimate(mean, half_width, parts)
