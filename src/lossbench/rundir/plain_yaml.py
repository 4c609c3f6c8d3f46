"""Settings as plain YAML: what many records have in common is turned into text once."""

from collections.abc import Mapping
from typing import Any

import yaml

MOST_KNOWN = 2000
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_known: dict[str, str] = {}


def yaml_text(record: Mapping[str, Any]) -> str:
    """Write a record as YAML, keys in the order given.

    Args:
        record: plain values by name; values that are one object are written out each time.
    """
    return "".join(_section(key, value) for key, value in record.items()) or "{}\n"


def _section(key: str, value: object) -> str:
    """The lines of one key; runs of a sweep differ in few of them."""
    shown = repr((key, value))  # unlike ==, it tells True from 1
    if shown not in _known:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[shown] = yaml.dump({key: value}, Dumper=DUMPER, sort_keys=False, allow_unicode=True, width=140)
    return _known[shown]
