"""From a multirun's overrides to its jobs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString

from lossbench.errors import UserError

SCALAR = (type(None), bool, int, float, str, QuotedString)


@dataclass(frozen=True)
class Part:
    """One override of one job.

    Args:
        text: as on a command line, e.g. "loss.alpha=0.5".
        key: the setting, where the override only sets a plain value; None where it must be composed.
        value: that value.
        swept: whether it differs between jobs.
    """

    text: str
    key: str | None
    value: Any
    swept: bool


@dataclass(frozen=True)
class Job:
    """One combination of a multirun.

    Args:
        parts: its overrides, in the order they were typed.
    """

    parts: tuple[Part, ...]

    @property
    def overrides(self) -> list[str]:
        """What one would type for this run alone."""
        return [part.text for part in self.parts]

    @property
    def label(self) -> str:
        """The swept values, which differ between the jobs."""
        return " ".join(part.text for part in self.parts if part.swept) or "the only run"


def expand(arguments: Sequence[str], loader: ConfigLoader) -> list[Job]:
    """List the combinations of all swept values; seeds change slowest, so that a stopped sweep holds whole comparisons.

    Args:
        arguments: overrides, some of them sweeps such as a=1,2 or a=range(5); of a key given twice the last counts.
        loader: Hydra's, for the names of the groups.

    Returns:
        The jobs, at least one.

    Raises:
        UserError: a sweep that cannot be listed (an interval).
    """
    columns: dict[str, list[Part]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        columns[override.get_key_element()] = _column(override, loader)
    order = sorted(columns, key=lambda name: name != "seed")
    jobs = []
    for combination in itertools.product(*(columns[name] for name in order)):
        chosen = dict(zip(order, combination, strict=True))
        jobs.append(Job(tuple(chosen[name] for name in columns)))
    return jobs


def _column(override: Override, loader: ConfigLoader) -> list[Part]:
    """Give an override's parts: one for each of its values."""
    if not override.is_sweep_override():
        return [Part(_text(override), None, None, swept=False)]
    key, sets_value = override.get_key_element(), _sets_value(override, loader)
    parts = []
    for element in _elements(override):
        text = f"{key}={Override._get_value_element_as_str(element)}"
        set_key = key if sets_value and _is_plain(element) else None
        parts.append(Part(text, set_key, _value(element), swept=True))
    return parts


def _text(override: Override) -> str:
    key = override.get_key_element()
    if override.is_delete() and override.value_type is None:
        return key
    return f"{key}={override.get_value_element_as_str()}"


def _elements(override: Override) -> list[Any]:
    """List the values of a sweep.

    Raises:
        UserError: they cannot be listed, or there is none.
    """
    line = override.input_line
    if not override.is_discrete_sweep():
        raise UserError(f"{line}: an interval has no end of values; list them (a,b,c) or use range(start,stop,step)")
    elements: list[Any] = list(override.sweep_iterator())
    if not elements:
        raise UserError(f"{line} gives no value at all; range(start,stop,step) leaves the stop out")
    return elements


def _sets_value(override: Override, loader: ConfigLoader) -> bool:
    """Whether an override changes a key that is there already, rather than choosing from a group."""
    changes = override.type is OverrideType.CHANGE and not override.is_hydra_override()
    return changes and not loader.get_group_options(override.get_key_element())


def _is_plain(element: Any) -> bool:
    if isinstance(element, list):
        return all(_is_plain(item) for item in element)
    return isinstance(element, SCALAR) and "${" not in str(_value(element))


def _value(element: Any) -> Any:
    if isinstance(element, list):
        return [_value(item) for item in element]
    return element.text if isinstance(element, QuotedString) else element
