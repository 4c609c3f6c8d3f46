"""The settings of uneven training classes. Torch-free."""

from dataclasses import dataclass
from typing import Any

from lossbench.config.values import choice, integer, number

KINDS = ("exponential", "step")


@dataclass(frozen=True)
class ImbalanceSettings:
    """How large each training class is.

    Args:
        imbalance: training examples of the largest class over those of the smallest one, >= 1; None leaves all as they
            are.
        imbalance_kind: exponential, or step: all classes of one half have few examples, those of the other half many.
        imbalance_seed: draws which classes are rare; None takes the last ones in the order of the classes.
        imbalance_max: training examples of the largest class; None is as many as the smallest class has.

    Raises:
        ValueError: names the setting, what was found and what is allowed.
    """

    imbalance: float | None = None
    imbalance_kind: str = "exponential"
    imbalance_seed: int | None = None
    imbalance_max: int | None = None

    def __post_init__(self) -> None:
        if self.imbalance is not None:
            number("imbalance", self.imbalance, 1, top=1e6)
        choice("imbalance_kind", self.imbalance_kind, KINDS)
        if self.imbalance_seed is not None:
            integer("imbalance_seed", self.imbalance_seed, 0)
        if self.imbalance_max is not None:
            integer("imbalance_max", self.imbalance_max, 1)

    def imbalance_settings(self) -> dict[str, Any]:
        """Give the settings where classes are made uneven."""
        if self.imbalance is None:
            return {}
        names = ("imbalance", "imbalance_kind", "imbalance_seed", "imbalance_max")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
