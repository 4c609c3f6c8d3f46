"""Which settings differ between arms, and how they are written."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lossbench.rundir.identity import DECIDES, WHEREABOUTS, class_name

# What may differ between the arms of one comparison.
COMPARED = ("loss", "head", "optimizer", "scheduler", "yardsticks")
HIDDEN = tuple(f"{group}.{name}" for group, names in WHEREABOUTS.items() for name in names)
CHOICE = ("name", "_target_")  # the keys of a group's choice
NO_CHOICE = ("loss.name", "loss._target_")  # stands in front of the settings
LITERALS = {None: "null", True: "true", False: "false"}


def differing_settings(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Find the settings in which arms differ.

    A setting of a group (alpha of the loss, hidden of the model) distinguishes only arms with the same choice of that
    group, a head only arms of the same loss.

    Args:
        arms: any name -> flat configuration.

    Returns:
        The same name -> the settings that differ between arms, with the arm's own value.
    """
    keys = sorted({key for params in arms.values() for key in params if _decides(key)})
    differing: dict[str, dict[str, Any]] = {name: {} for name in arms}
    for key in keys:
        for name in _distinguished_by(key, arms):
            differing[name][key] = arms[name].get(key)
    return {name: _without_targets_of_names(settings) for name, settings in differing.items()}


def describe_settings(settings: Mapping[str, Any]) -> str:
    """Write settings in a line: names as they are, numbers with their key, e.g. "mlp images_per_class=10"."""
    shared = Counter(_last(key) for key in settings if key != "loss.name")
    empty = {_group(key) for key, value in settings.items() if value is None and _last(key) in CHOICE}
    words: list[str] = []
    for key, value in settings.items():
        if key not in NO_CHOICE:
            words += _empty_group(key) if _group(key) in empty else [_describe(key, value, shared[_last(key)] > 1)]
    return " ".join(words)


def comparability(params: Mapping[str, Any]) -> str:
    """Say what must be the same in all runs of a comparison: the settings beyond COMPARED and the data, in a line."""
    keys = (key for key in params if key == "fingerprint" or (_decides(key) and not key.startswith(COMPARED)))
    return _in_a_line(keys, params)


def setting_but_for(keys: Collection[str], params: Mapping[str, Any]) -> str:
    """Write all settings that decide a run's numbers in a line, but for some and the data's fingerprint."""
    return _in_a_line((each for each in params if _decides(each) and each not in keys), params)


def _in_a_line(keys: Iterable[str], params: Mapping[str, Any]) -> str:
    values = {key: _comparable(key, params) for key in sorted(keys)}
    return repr({key: value for key, value in values.items() if value != repr(None)})


def is_number(value: object) -> bool:
    """Whether a setting is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def rounded(value: float) -> float:
    """Round to 12 digits: a range gives 0.30000000000000004."""
    return float(f"{value:.12g}")


def _distinguished_by(key: str, arms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The arms that have a peer with another value of the key."""
    values: dict[str, set[str]] = {}
    for params in arms.values():
        values.setdefault(_peers(key, params), set()).add(_comparable(key, params))
    return [name for name, params in arms.items() if len(values[_peers(key, params)]) > 1]


def _peers(key: str, params: Mapping[str, Any]) -> str:
    """What arms share that a key can distinguish: the choice of its group, nothing for the choice itself.

    A head is what a loss brings along, so that it distinguishes arms of the same loss alone.
    """
    group = key.split(".")[0]
    loss = _choice("loss", params) if group == "head" else ""
    return loss if _last(key) in CHOICE else f"{loss}{_choice(group, params)}"


def _choice(group: str, params: Mapping[str, Any]) -> str:
    return f"{params.get(f'{group}.name')} {class_name(params.get(f'{group}._target_'))}"


def _without_targets_of_names(settings: dict[str, Any]) -> dict[str, Any]:
    """A choice is described by its name; by its target only where it has none."""
    return {key: value for key, value in settings.items() if _named_by(key) not in settings}


def _named_by(key: str) -> str | None:
    return key.replace("._target_", ".name") if key.endswith("._target_") else None


def _decides(key: str) -> bool:
    return key != "fingerprint" and _is_below(key, DECIDES) and not _is_below(key, HIDDEN)


def _is_below(key: str, paths: tuple[str, ...]) -> bool:
    return any(key == path or key.startswith(f"{path}.") for path in paths)


def _comparable(key: str, params: Mapping[str, Any]) -> str:
    """The value of a key as identities compare it: of lossbench's own classes the name counts, not the module."""
    value: Any = class_name(params.get(key)) if _last(key) == "_target_" else params.get(key)
    if value == {}:  # a group of which nothing is chosen
        return repr(None)
    return repr(rounded(value) if is_number(value) else value)


def _empty_group(key: str) -> list[str]:
    return [f"no {_last(_group(key))}"] if _last(key) in CHOICE else []


def _describe(key: str, value: Any, is_shared: bool) -> str:
    last = _last(key)
    if last == "_target_":
        return str(value).rpartition(".")[2]
    if last == "name":
        return str(value)
    return f"{key if is_shared else last}={_literal(value)}"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return LITERALS[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _group(key: str) -> str:
    return key.rpartition(".")[0]


def _last(key: str) -> str:
    return key.rpartition(".")[2]
