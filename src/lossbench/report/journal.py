"""How often a comparison has been looked at: testing again after adding seeds inflates false positives, so looks are counted."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lossbench.errors import UserError
from lossbench.report.stats.sequential import reachable
from lossbench.rundir.files import read_json, write_json

DECIDED = ("better", "worse")


class Looks:
    """The looks at the comparisons of one study, in <study>/looks.json.

    A look is a set of seeds for which a comparison was reported; the same set again is the same look. Sets too small to decide anything
    are not counted. What a look has found better or worse stays found: its share of the 6 % is spent.

    Args:
        folder: the study's folder.

    Raises:
        UserError: looks.json is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "looks.json"
        advice = "move it away, and every comparison counts as new"
        try:
            found = read_json(self.path) if self.path.exists() else {}
        except UserError as error:
            raise UserError(
                f"{self.path} is damaged ({error.__cause__ or 'expected a JSON object'}); {advice}"
            ) from error
        self.seen: dict[str, list[list[int]]] = found.pop("looks", {})
        self.decided: dict[str, list[Any]] = found.pop("decided", {})
        if found or not (_are_all(self.seen, _is_history) and _are_all(self.decided, _is_decision)):
            raise UserError(f"{self.path} is damaged: expected looks, lists of seeds, and what was decided; {advice}")
        self._before = self._now()

    def count(self, name: str, seeds: Sequence[int], comparisons: int) -> int:
        """Say which look this is, 1 the first, and remember it if it can decide anything among so many comparisons."""
        now, history = sorted(seeds), self.seen.get(name, [])
        look = history.index(now) + 1 if now in history else len(history) + 1
        if now not in history and reachable(len(now), comparisons, look):
            self.seen[name] = [*history, now]
        return look

    def decide(self, name: str, word: str, n: int, look: int) -> None:
        """Remember the first look that found a comparison better or worse; the same look again counts as it is now."""
        if self.decided.get(name, [None, n, look])[2] == look:
            self.decided.pop(name, None)
            if word in DECIDED:
                self.decided[name] = [word, n, look]

    def save(self) -> str | None:
        """Write looks.json if it says anything new; give the reason where that fails, for then later looks will not be counted."""
        if self._now() == self._before:
            return None
        try:
            write_json(
                self.path, {"looks": dict(sorted(self.seen.items())), "decided": dict(sorted(self.decided.items()))}
            )
        except UserError as error:
            return str(error)
        return None

    def _now(self) -> str:
        return json.dumps([self.seen, self.decided], sort_keys=True)


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(seeds, list) and all(type(seed) is int for seed in seeds) for seeds in value
    )


def _is_decision(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and value[0] in DECIDED
        and all(type(number) is int for number in value[1:])
    )


def _are_all(found: Any, right: Callable[[Any], bool]) -> bool:
    return isinstance(found, dict) and all(map(right, found.values()))


def name_of(metric: str, baseline: str, arm: str) -> str:
    """What looks.json calls a comparison: the metric, and the hashes of both identities."""
    return f"{metric} {baseline[:16]} {arm[:16]}"
