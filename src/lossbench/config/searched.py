"""The ranges that stand in a loss's YAML: what a tuned sweep searches, and no part of a run. Torch-free."""

from collections.abc import Mapping
from typing import Any

SEARCH = "search"


def without_ranges(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Copy what a loss's YAML holds, without the ranges of its numbers."""
    return {key: value for key, value in loss.items() if key != SEARCH}
