"""What hydra/sweeper=tuned alone has, and runs and plain sweeps have not: keys, and names of studies. Torch-free."""

from collections.abc import Iterable, Mapping
from typing import Any

from lossbench.config.plain import is_mapping
from lossbench.config.schema import missing_key
from lossbench.errors import UserError

TRIALS, TUNED = ".trials", ".tuned"
"""What the names of studies end in: that of the trials, and that of the runs with the chosen settings."""
KEYS = ("trials", "budget", "parent")
UNSEARCHED = {"own": "published"}
HINT = "is of hydra/sweeper=tuned, which tunes every loss: add -m hydra/sweeper=tuned"


def require_untuned(composed: Mapping[str, Any]) -> None:
    """Refuse a run or a plain sweep that says how losses are to be tuned, or that would lie among tuned runs.

    Args:
        composed: a composed configuration.

    Raises:
        UserError: names the key.
    """
    require_there(composed, (*KEYS, "search", "study"))
    for key in KEYS:
        if composed[key] is not None:
            raise UserError(f"{key}={composed[key]} {HINT}, or leave {key} out")
    if composed["search"] != UNSEARCHED:
        raise UserError(f"{_changed(composed['search'])} {HINT}, or leave search out")
    study = str(composed["study"])
    if study.endswith(TUNED) or (study.endswith(TRIALS) and composed.get("trial") is not True):
        raise UserError(
            f"study={study}: names that end in {TRIALS} and {TUNED} are of the studies that hydra/sweeper=tuned makes; "
            "choose another, so that no other runs are mixed with theirs"
        )


def require_there(composed: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse a composed configuration from which ~KEY took one of some keys."""
    if missing := next((key for key in keys if key not in composed), None):
        raise missing_key(missing)


def _changed(search: Any) -> str:
    """Name the first key of a search that is not as it is without one."""
    changed = [key for key in search if search[key] != UNSEARCHED.get(key)] if is_mapping(search) else []
    return f"search.{changed[0]}" if changed else "search"
