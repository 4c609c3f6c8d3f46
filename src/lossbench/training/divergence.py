"""What is said of a run that does not stay finite."""

from collections.abc import Callable, Mapping
from typing import Any

from lossbench.errors import DivergedError


def diverged(value: float, what: str, *, loss: object, step: int, epoch: int) -> DivergedError:
    """Word the error of a number that is not finite: where it was seen first, and what to try.

    Args:
        value: the number.
        what: what it is of: loss, or state (weights, statistics).
        loss: with which the run is trained.
        step: updates done.
        epoch: epochs done.
    """
    if step == 0 and what == "loss":
        advice = not_the_learning_rate(hyper_parameters_of(loss))
        return DivergedError(f"the training loss is {value} at the first step, {advice}")
    return DivergedError(
        f"the training {what} became {value} at or before step {step}, epoch {epoch}; "
        "the last good checkpoint is kept: try a lower learning rate (optimizer.lr=...), "
        "trainer.gradient_clip_val=1 or trainer.precision=32-true"
    )


def hyper_parameters_of(loss: object) -> Mapping[str, Any]:
    """The hyper-parameters of a loss by name; none of one that does not give them."""
    give: Callable[[], Mapping[str, Any]] = getattr(loss, "hyper_parameters", dict)
    return give()


def not_the_learning_rate(given: Mapping[str, Any]) -> str:
    """Advise on a loss that is not finite with the initial weights.

    Args:
        given: its hyper-parameters by name.
    """
    kinds = (int, float)
    numbers = [f"loss.{name}={value:g}" for name, value in given.items() if type(value) in kinds]
    cure = f"choose other values of {', '.join(numbers)}" if numbers else "check the data, the model and the loss"
    return f"with the model's initial weights, which no learning rate changes: {cure}"
