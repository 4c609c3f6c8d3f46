"""How often a comparison has been looked at: testing again after adding seeds inflates false positives, so looks are counted."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossbench.contract.files import read_json, write_json
from lossbench.errors import UserError
from lossbench.study.stats.looks import reachable


class Looks:
    """The looks at the comparisons of one study, in <study>/looks.json.

    A look is a set of seeds for which a comparison was reported; the same set again is the same look. Sets too small to decide anything
    are not counted.

    Args:
        folder: the study's folder.

    Raises:
        UserError: looks.json is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "looks.json"
        advice = "move it away, and every comparison counts as new"
        try:
            self.seen: dict[str, list[list[int]]] = dict(read_json(self.path)) if self.path.exists() else {}
        except UserError as error:
            raise UserError(f"{self.path} is damaged ({error.__cause__ or 'expected a JSON object'}); {advice}") from error
        if not all(_is_history(history) for history in self.seen.values()):
            raise UserError(f"{self.path} is damaged: expected lists of seeds; {advice}")

    def count(self, name: str, seeds: Sequence[int], comparisons: int) -> int:
        """Say which look this is, 1 the first, and remember it if it can decide anything among so many comparisons."""
        now, history = sorted(seeds), self.seen.get(name, [])
        look = history.index(now) + 1 if now in history else len(history) + 1
        if now not in history and reachable(len(now), comparisons, look):
            self.seen[name] = [*history, now]
        return look

    def save(self) -> str | None:
        """Write looks.json; where that fails give the reason, for the reader must know that later looks will not be counted."""
        try:
            write_json(self.path, dict(sorted(self.seen.items())))
        except UserError as error:
            return str(error)
        return None


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(seeds, list) and all(type(seed) is int for seed in seeds) for seeds in value)


def looks_at(folder: Path, metric: str, baseline: str, seeds: Mapping[str, Sequence[int]]) -> tuple[dict[str, int], str | None]:
    """Count and record the looks at a family of comparisons.

    Args:
        folder: the study's folder.
        metric: what is compared.
        baseline: hash of the baseline's identity.
        seeds: hash of each other arm's identity -> the seeds that it has in common with the baseline.

    Returns:
        The same hash -> which look this is; and why it could not be recorded, if so.
    """
    looks = Looks(folder)
    before = json.dumps(looks.seen)
    counted = {digest: looks.count(f"{metric} {baseline[:16]} {digest[:16]}", common, len(seeds)) for digest, common in seeds.items()}
    return counted, looks.save() if json.dumps(looks.seen) != before else None
