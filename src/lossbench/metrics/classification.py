"""How often a classifier is right. Among equal logits the lower class index ranks first. Torch-free at import."""

from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate, jackknife, proportion, wilson
from lossbench.metrics.recall import mean_recall
from lossbench.metrics.registry import ONE_CLASS, metric

if TYPE_CHECKING:
    from torch import Tensor

    from lossbench.metrics.classes import Classes
    from lossbench.metrics.labels import Labels


@metric("accuracy", unit="%", better="higher", tasks=(*ONE_CLASS, "multi_label"), headline=True)
def accuracy(outputs: "Classes | Labels") -> Estimate:
    """mean [argmax p = y], with Wilson's interval; of several labels how often all of them are right."""
    return proportion(outputs.correct)


@metric("top5_accuracy", unit="%", better="higher")
def top5_accuracy(outputs: "Classes") -> Estimate | None:
    """mean [y among the five largest], with Wilson's interval; only for C > 5."""
    return proportion(outputs.rank < 5) if outputs.classes > 5 else None


@metric("error_rate", unit="%", better="lower", shown="nowhere")
def error_rate(outputs: "Classes") -> Estimate:
    """1 - accuracy, with Wilson's interval."""
    return proportion(~outputs.correct)


@metric("balanced_accuracy", unit="%", better="higher")
def balanced_accuracy(outputs: "Classes") -> Estimate:
    """Mean over the classes that occur in target of their accuracy.

    The interval is Wilson's, of the number of examples that equally large classes would need for the same variance.
    """
    return mean_recall(outputs)


@metric("macro_f1", unit="%", better="higher", tasks=(*ONE_CLASS, "multi_label"))
def macro_f1(outputs: "Classes | Labels") -> Estimate:
    """Mean over the classes that occur in target or argmax p of 2 hits / (examples + predictions).

    The interval is Wilson's with the variance of the delta method.

    Reference:
        Takahashi et al. 2022, Confidence interval for micro-averaged F1 and macro-averaged F1 scores, section 3.3.
    """
    from lossbench.metrics.labels import Labels
    from lossbench.metrics.multi_label import macro_f1_of_labels

    return macro_f1_of_labels(outputs) if isinstance(outputs, Labels) else _macro_f1(outputs)


def _macro_f1(outputs: "Classes") -> Estimate:
    n, target, predicted = outputs.n, outputs.targets, outputs.predicted
    share = (outputs.count(predicted) + outputs.support) / n
    f1 = 2 * outputs.hits / n / share.clamp_min(1 / n)
    classes = (share > 0).sum(1)

    def half_width() -> "Tensor":
        # How much each example moves the mean of the classes' F1: its influence function.
        slope = f1 / share.clamp_min(1 / n)
        moved = 2 * outputs.correct / share.gather(1, target) - slope.gather(1, target) - slope.gather(1, predicted)
        return wilson(moved.var(1) / classes**2 / n, n) if n > 1 else f1[:, 0] * float("nan")

    def parts() -> "Tensor":
        left, gone = _f1_without(outputs, share * n)
        without = f1.sum(1, keepdim=True) - f1.gather(1, target) - f1.gather(1, predicted) * ~outputs.correct + left
        return jackknife(f1.sum(1) / classes, without / (classes[:, None] - gone).clamp_min(1))

    return Estimate(f1.sum(1) / classes, half_width, parts)


def _f1_without(outputs: "Classes", sizes: "Tensor") -> "tuple[Tensor, Tensor]":
    """Of the classes that an example has and gets, their F1 without it, summed, and how many no longer occur: (K, n).

    Args:
        outputs: those of a split.
        sizes: (K, C), examples + predictions of each class.
    """
    right, twice, target = outputs.correct.double(), 2 * outputs.hits, outputs.targets
    own, other = sizes.gather(1, target) - 1 - right, sizes.gather(1, outputs.predicted) - 1
    f1_own = (twice.gather(1, target) - 2 * right) / own.clamp_min(1)
    f1_other = twice.gather(1, outputs.predicted) / other.clamp_min(1) * (1 - right)
    gone = (own == 0).double() + (other == 0).double() * (1 - right)
    return f1_own + f1_other, gone


@metric("worst_class", unit="%", better="higher", shown="nowhere")
def worst_class(outputs: "Classes") -> Estimate:
    """Lowest accuracy of any class that occurs in target: min over them of hits / examples.

    The interval is Wilson's for the examples of that class alone, the first of several; it does not cover which class
    is the worst. The minimum is itself biased downwards where classes have few examples.
    """
    support = outputs.support.expand(len(outputs.hits), -1)
    lowest, at = (outputs.hits / support).where(support > 0, float("inf")).min(1)

    def half_width() -> "Tensor":
        n = support.gather(1, at[:, None])[:, 0].double()
        return wilson(lowest * (1 - lowest) / n, n) if outputs.n > 1 else lowest * float("nan")

    def parts() -> "Tensor":
        is_worst = outputs.targets == at[:, None]
        moved = is_worst * (outputs.correct.double() - lowest[:, None]) * outputs.n / support.gather(1, at[:, None])
        return lowest[:, None] + moved

    return Estimate(lowest, half_width, parts)
