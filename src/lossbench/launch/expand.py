"""From a multirun's overrides to its jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString, RangeSweep
from hydra.errors import HydraException

from lossbench.errors import UserError

MOST_RUNS = 20_000
TOO_MANY = f"at most {MOST_RUNS:,} are planned together, which takes minutes and GBs; sweep a part of them at a time"
UNITS = ("replicate", "seed")
"""The keys that tell runs of one setting apart; a run has one of them."""
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
        name: what to call it; "" is by the values in which it differs from the others.
    """

    parts: tuple[Part, ...]
    name: str = ""

    @property
    def overrides(self) -> list[str]:
        """What one would type for this run alone."""
        return [part.text for part in self.parts]

    @property
    def label(self) -> str:
        """Its name, or the swept values, which differ between the jobs."""
        return self.name or " ".join(part.text for part in self.parts if part.swept) or "the only run"


def with_params(params: Mapping[str, Any], arguments: Sequence[str]) -> list[str]:
    """Put what a configuration sweeps before what is typed; a typed seed takes the place of replicates, and vice versa.

    Args:
        params: setting -> values, such as {"replicate": "range(10)"}.
        arguments: overrides as typed.
    """
    typed = {argument.partition("=")[0] for argument in arguments}
    replaced = {other for unit, other in (UNITS, UNITS[::-1]) if unit in typed}
    return [*(f"{key}={value}" for key, value in params.items() if key not in replaced), *arguments]


def expand(arguments: Sequence[str], loader: ConfigLoader) -> list[Job]:
    """List the combinations of all swept values.

    Replicates and seeds change slowest, so that a stopped sweep holds whole comparisons.

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
    _require_countable(columns)
    order = sorted(columns, key=lambda name: name not in UNITS)
    jobs = []
    for combination in product(*(columns[name] for name in order)):
        chosen = dict(zip(order, combination, strict=True))
        jobs.append(Job(tuple(chosen[name] for name in columns)))
    return jobs


def _require_countable(columns: Mapping[str, Sequence[Part]]) -> None:
    swept = {name: len(parts) for name, parts in columns.items() if len(parts) > 1}
    if (runs := prod(swept.values())) > MOST_RUNS:
        counts = " x ".join(f"{count:,} of {name}" for name, count in swept.items())
        raise UserError(f"this sweep has {runs:,} runs ({counts}); {TOO_MANY}")


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
    swept = override.value()
    try:  # a range may have no end: it is read no further than the limit
        values = swept.range() if isinstance(swept, RangeSweep) else override.sweep_iterator()
        elements: list[Any] = list(islice(values, MOST_RUNS + 1))
    except (ValueError, ArithmeticError, HydraException) as error:
        raise UserError(f"{line}: range(start,stop,step) takes numbers, and a step that is not 0") from error
    if not elements:
        why = "; range(start,stop,step) leaves the stop out" if isinstance(swept, RangeSweep) else ""
        raise UserError(f"{line} gives no value at all{why}")
    if len(elements) > MOST_RUNS:
        raise UserError(f"{line} gives more than {MOST_RUNS:,} values; {TOO_MANY}")
    return list(override.sweep_iterator()) if isinstance(swept, RangeSweep) and swept.shuffle else elements


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
