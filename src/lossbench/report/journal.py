"""The journal of looks at comparisons.

Testing again after adding seeds inflates false positives, so every look is recorded.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from lossbench.errors import UserError
from lossbench.report.stats.sequential import reachable
from lossbench.rundir.files import write_json
from lossbench.rundir.reading import read_json

ADVICE = "move it away, and every comparison counts as new"


class Decision(NamedTuple):
    """The first look that found a comparison better or worse, with so many seeds."""

    verdict: Literal["better", "worse"]
    n: int
    look: int


class Looks:
    """The looks at the comparisons of one study, in <study>/looks.json.

    A look is a set of seeds for which a comparison was reported; the same set again is the same look. Sets too small to
    decide anything are not counted. What a look has found better or worse stays found: its share of the 6 % is spent.

    Args:
        folder: the study's folder.

    Raises:
        UserError: looks.json is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "looks.json"
        content = self._read() if self.path.exists() else {}
        seen, decided = content.pop("looks", {}), content.pop("decided", {})
        if content or not (_are_all(seen, _is_list_of_looks) and _are_all(decided, _is_decision)):
            raise UserError(f"{self.path} is damaged: expected looks, lists of seeds, and what was decided; {ADVICE}")
        self.seen: dict[str, list[list[int]]] = seen
        self.decided = {name: Decision(*decision) for name, decision in decided.items()}
        self._saved = self._as_text()

    def count(self, name: str, seeds: Sequence[int]) -> int:
        """Number this look, 1 the first, and add it if so many seeds can decide anything."""
        look, earlier = sorted(seeds), self.seen.get(name, [])
        if look in earlier:
            return earlier.index(look) + 1
        number = len(earlier) + 1
        if reachable(len(look), number):
            self.seen[name] = [*earlier, look]
        return number

    def decide(self, name: str, verdict: str, n: int, look: int) -> None:
        """Keep the first look that found a comparison better or worse; the same look again replaces what it found."""
        earlier = self.decided.get(name)
        if earlier is not None and earlier.look != look:
            return
        self.decided.pop(name, None)
        if verdict == "better" or verdict == "worse":
            self.decided[name] = Decision(verdict, n, look)

    def save(self) -> str | None:
        """Write looks.json if anything is new.

        Returns:
            Why that failed, if so: later looks are then not corrected for this one.
        """
        if self._as_text() == self._saved:
            return None
        looks = {"looks": dict(sorted(self.seen.items())), "decided": dict(sorted(self.decided.items()))}
        try:
            write_json(self.path, looks)
        except UserError as error:
            return str(error)
        return None

    def _read(self) -> dict[str, Any]:
        try:
            return read_json(self.path)
        except UserError as error:
            reason = error.__cause__ or "expected a JSON object"
            raise UserError(f"{self.path} is damaged ({reason}); {ADVICE}") from error

    def _as_text(self) -> str:
        return json.dumps([self.seen, self.decided], sort_keys=True)


def name_of(metric: str, baseline: str, arm: str) -> str:
    """The key of a comparison in looks.json: the metric, and the hashes of both identities."""
    return f"{metric} {baseline[:16]} {arm[:16]}"


def _are_all(values: Any, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(values, dict) and all(map(is_right, cast(dict[str, Any], values).values()))


def _is_list_of_looks(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_look, cast(list[Any], value)))


def _is_look(value: Any) -> bool:
    return isinstance(value, list) and _are_whole(cast(list[Any], value))


def _is_decision(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    decision = cast(list[Any], value)
    return len(decision) == 3 and decision[0] in ("better", "worse") and _are_whole(decision[1:])


def _are_whole(numbers: Sequence[Any]) -> bool:
    return all(type(number) is int for number in numbers)
