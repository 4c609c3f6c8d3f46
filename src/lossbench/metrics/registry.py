"""The registry of metrics: how each is computed and shown, in one place. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from lossbench.metrics.estimates import Estimate

Function = TypeVar("Function", bound="Callable[[Any], Estimate | None]")
ONE_CLASS = ("classification", "ordinal")
"""The tasks whose examples have one class each; those of ordinal are in order."""
Place = Literal["above the loss", "below the loss", "nowhere"]


@dataclass(frozen=True)
class Definition:
    """A metric.

    Args:
        name: in results, without its split.
        function: the outputs of K runs on a split -> K values with their intervals, or None where it does not apply.
        unit: "%", "nats", "degrees", any other word, or "" of a plain number.
        higher_is_better: the direction.
        tasks: of which it is measured.
        headline: whether it may stand for its task in one number; the first one defined does.
        shown: where the table of a run has it.
    """

    name: str
    function: "Callable[[Any], Estimate | None]"
    unit: str
    higher_is_better: bool
    tasks: tuple[str, ...]
    headline: bool
    shown: Place


METRICS: dict[str, Definition] = {}
"""All metrics by name, in the order in which they are defined and reported."""


def metric(
    name: str,
    *,
    better: Literal["higher", "lower"],
    unit: str = "",
    tasks: tuple[str, ...] = ONE_CLASS,
    headline: bool = False,
    shown: Place = "above the loss",
) -> Callable[[Function], Function]:
    """Register a function of a split's outputs as a metric (see `Definition`).

    Args:
        name: letters, digits and underscores; `monitor=val/<name>` and `test/<name>` name it.
        better: "higher" or "lower".
        unit: how it is shown: a fraction with "%" in percent.
        tasks: whose outputs it judges; they decide what the function is given.
        headline: whether it may stand for its task.
        shown: where the table of a run has it.

    Returns:
        A decorator that gives the function back unchanged.

    Raises:
        ValueError: a name that exists already or is no word, or a direction that is neither.
    """
    if not name.isidentifier() or name in METRICS:
        raise ValueError(f"a metric's name must be a word that no other metric has, got {name!r}")
    if better not in ("higher", "lower"):
        raise ValueError(f"better must be higher or lower, got {better!r}")

    def register(function: Function) -> Function:
        METRICS[name] = Definition(name, function, unit, better == "higher", tasks, headline, shown)
        return function

    return register


def headlines() -> list[str]:
    """The metrics that may stand for a task; of several that a run measures, the first one."""
    return [name for name, definition in METRICS.items() if definition.headline]


def shown(place: Place) -> list[str]:
    """The metrics that the table of a run has at a place, in order."""
    return [name for name, definition in METRICS.items() if definition.shown == place]
