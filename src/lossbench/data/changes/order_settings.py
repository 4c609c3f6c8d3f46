"""The setting that declares an order of the classes. Torch-free."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OrderSettings:
    """Whether the classes have an order, so that the task is ordinal.

    Args:
        ordered: True takes the order that the data have, names of all classes from the lowest to the highest that of
            the names.

    Raises:
        ValueError: names the setting, what was found and what is allowed.
    """

    ordered: bool | tuple[Any, ...] = False

    def __post_init__(self) -> None:
        if not isinstance(self.ordered, bool | tuple) or self.ordered == ():
            given = "[]" if self.ordered == () else repr(self.ordered)
            raise ValueError(f"ordered must be true, or all classes from the lowest to the highest, got {given}")

    @property
    def order(self) -> tuple[str, ...] | None:
        """The names, of which 3 on the command line is a number; None where the data's own order is taken."""
        return tuple(map(str, self.ordered)) if isinstance(self.ordered, tuple) else None

    def order_settings(self) -> dict[str, Any]:
        """Give the setting where the classes have an order."""
        return {"ordered": [*self.ordered] if isinstance(self.ordered, tuple) else True} if self.ordered else {}
