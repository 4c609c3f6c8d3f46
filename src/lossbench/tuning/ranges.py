"""Ranges as YAML files and the command line give them: checked, one line for what is wrong. Torch-free."""

import math
from collections.abc import Mapping
from typing import Any

from lossbench.config.plain import is_mapping, is_sequence
from lossbench.config.sections import Optimizer
from lossbench.errors import UserError, suggest
from lossbench.tuning.bounds import BOUNDS, REGIONS
from lossbench.tuning.dimension import Dimension

KEYS = ("range", "scale", "source", "upper", "limits")
TYPED = "typed"
"""The source of a range from the command line or an experiment."""


def ranges_of(declared: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Give name -> range, with what was typed in place of what a file says; null takes a setting out.

    Args:
        declared: of a file: name -> {range, scale, source, ...}.
        typed: name -> [low, high], null, or some of the same keys.

    Raises:
        UserError: one is no range.
    """
    found: dict[str, Mapping[str, Any]] = {name: _read(name, each) for name, each in declared.items()}
    for name, value in typed.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = {**found.get(name, {}), "source": TYPED, **_read(name, value)}
    return found


def _read(name: str, value: Any) -> Mapping[str, Any]:
    if is_sequence(value):
        return {"range": value}
    if not is_mapping(value):
        raise UserError(f"search.{name} must be a range such as [1e-4,1], or null to leave it out, got {value!r}")
    for key in value:
        if key not in KEYS:
            raise UserError(f"search.{name}.{key} does not exist; {suggest(str(key), KEYS)}")
    return value


def dimension_of(key: str, given: Mapping[str, Any], node: Mapping[str, Any], num_classes: int | None) -> Dimension:
    """Make a dimension of a range.

    Args:
        key: the setting, such as optimizer.lr.
        given: range, scale and so on.
        node: the settings of its group, with their defaults.
        num_classes: of the data; None where there are no classes.

    Raises:
        UserError: the range is empty, inverted or not finite, or the setting is no number.
    """
    group, _, name = key.partition(".")
    _require_number(group, name, node)
    scale = given.get("scale")
    if scale not in ("log", "linear"):
        wanted = f"search.{name}={{range:[LOW,HIGH],scale:log}}"
        raise UserError(f"search.{name} needs a scale, log or linear, got {scale!r}; write '{wanted}'")
    low, high = _ends(name, given.get("range"), num_classes)
    if scale == "log" and low <= 0:
        raise UserError(f"search.{name}=[{low:g},{high:g}]: a range on a log scale lies above 0; raise its lower end")
    upper, limits = str(given.get("upper") or ""), _limits(name, given.get("limits"))
    if upper and upper not in REGIONS:
        raise UserError(f"search.{name}.upper={upper} does not exist; {suggest(upper, REGIONS)}")
    return Dimension(key, low, high, scale, str(given.get("source", "")), upper, limits)


def _require_number(group: str, name: str, node: Mapping[str, Any]) -> None:
    label = f"{group}={node.get('name')}"
    if name not in node:
        raise UserError(f"search.{name}: {label} has no setting {name}; {suggest(name, numbers_of(node))}")
    value = node[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(
            f"search.{name}: {group}.{name} of {label} is {value!r} by default, and a number is wanted, as the first "
            f"trial is the default; set {group}.{name}, or leave it out with search.{name}=null"
        )


def numbers_of(node: Mapping[str, Any]) -> list[str]:
    """Name the settings that are numbers."""
    return [name for name, value in node.items() if isinstance(value, int | float) and not isinstance(value, bool)]


def _ends(name: str, given: Any, num_classes: int | None) -> tuple[float, float]:
    if not is_sequence(given) or len(given) != 2:
        raise UserError(f"search.{name} must be a range of two numbers such as [1e-4,1], got {given!r}")
    low, high = (_end(name, each, num_classes) for each in given)
    if not low < high:
        what = "empty" if low == high else "inverted"
        raise UserError(f"search.{name}=[{low:g},{high:g}] is {what}: the first number must be the smaller one")
    return low, high


def _end(name: str, given: Any, num_classes: int | None) -> float:
    if is_mapping(given):
        return _closed_form(name, given, num_classes)
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise UserError(f"search.{name} must be a range of two finite numbers such as [1e-4,1], got {given!r} in it")
    return float(given)


def _closed_form(name: str, given: Mapping[str, Any], num_classes: int | None) -> float:
    """Compute a bound {FUNCTION: p}."""
    known = next(iter(given), "")
    if len(given) != 1 or known not in BOUNDS:
        raise UserError(
            f"search.{name}: {given!r} is no bound; write a number, or {{NAME: p}}; {suggest(known, BOUNDS)}"
        )
    if num_classes is None or num_classes < 2:
        raise UserError(f"search.{name}: {known} is of the number of classes, and the data have none; type two numbers")
    p = given[known]
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 < p < 1:
        raise UserError(f"search.{name}: {known} takes a probability within 0 and 1, got {p!r}")
    return float(f"{BOUNDS[known](p, num_classes):.12g}")


def _limits(name: str, given: Any) -> tuple[float | None, float | None]:
    if given is None:
        return None, None
    numbers = is_sequence(given) and len(given) == 2 and all(_is_end(each) for each in given)
    if not numbers:
        raise UserError(f"search.{name}.limits must be two numbers or null, such as [0,null], got {given!r}")
    low, high = given
    return low, high


def _is_end(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def check_optimizer_range(dimension: Dimension) -> None:
    """Refuse a range with values that the optimiser does not take.

    Raises:
        UserError: names the setting.
    """
    name = dimension.key.partition(".")[2]
    if (rule := Optimizer.rules.get(name)) is None:
        return
    for value in (dimension.low, dimension.high):
        try:
            rule(f"optimizer.{name}", value)
        except ValueError as error:
            raise UserError(f"search.{name}=[{dimension.low:g},{dimension.high:g}]: {error}") from error
