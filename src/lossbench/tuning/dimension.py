"""A setting that is searched: its range, and the value at each place of it. Torch-free."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from lossbench.tuning.bounds import REGIONS

DIGITS = 12
"""Significant digits of a setting: what is typed again is the same number."""
EDGE = 0.05
"""The outer part of a range, on either side."""


@dataclass(frozen=True)
class Dimension:
    """A setting that is searched.

    Args:
        key: the setting, such as optimizer.lr.
        low: of its range; with `upper` in units of that limit.
        high: of its range; larger than low.
        scale: on which points are spread evenly.
        source: where the range comes from.
        upper: the limit that depends on other settings, by its name in `bounds.REGIONS`; empty where there is none.
        limits: the lowest and the highest end that a range can usefully have; None where there is no such limit.
    """

    key: str
    low: float
    high: float
    scale: Literal["log", "linear"]
    source: str
    upper: str = ""
    limits: tuple[float | None, float | None] = (None, None)

    def value(self, u: float, settings: Mapping[str, float]) -> float:
        """Give the value at a place of the range.

        Args:
            u: the place, in [0, 1).
            settings: the other settings of the point; read where there is an `upper`.
        """
        value = self._on_log(u) if self.scale == "log" else self.low + (self.high - self.low) * u
        return float(f"{value * self._unit(settings):.{DIGITS}g}")

    def place(self, value: float, settings: Mapping[str, float]) -> float:
        """Give the place of a value in the range: the inverse of `value`, outside 0..1 where the value is outside."""
        unit = self._unit(settings)
        share = value / unit if unit else 0.0
        if self.scale == "linear":
            return (share - self.low) / (self.high - self.low)
        return math.log(share / self.low) / math.log(self.high / self.low) if share > 0 else -math.inf

    def edge(self, value: float, settings: Mapping[str, float]) -> Literal["low", "high"] | None:
        """Say at which end of the range a value lies; None inside, and at an end that cannot usefully be widened."""
        place, (lowest, highest) = self.place(value, settings), self.limits
        if place < EDGE:
            return None if lowest is not None and self.low <= lowest else "low"
        if place > 1 - EDGE:
            return None if highest is not None and self.high >= highest else "high"
        return None

    def at(self, fixed: Mapping[str, float]) -> Self:
        """Give the dimension where some settings are not searched: a limit that depends on nothing else is a number."""
        if not self.upper or not all(key in fixed for key in REGIONS[self.upper].needs):
            return self
        unit = self._unit(fixed)
        low, high = (None if end is None else end * unit for end in self.limits)
        return replace(self, low=self.low * unit, high=self.high * unit, upper="", limits=(low, high))

    def _on_log(self, u: float) -> float:
        return self.low * (self.high / self.low) ** u

    def _unit(self, settings: Mapping[str, float]) -> float:
        return REGIONS[self.upper].limit(settings) if self.upper else 1.0

    def to_json(self) -> dict[str, Any]:
        """Give it in plain containers."""
        return {**asdict(self), "limits": list(self.limits)}

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        low, high = record["limits"]
        return cls(**{**record, "limits": (low, high)})
