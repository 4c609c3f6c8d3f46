"""What the journal of a study says about a comparison: earlier looks, what they decided, and the family."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lossbench.report.journal import Journal, read_journal
from lossbench.report.old_looks import read_old_looks
from lossbench.rundir.kinds import NUMBER, SETTINGS, TEXT, TEXTS, TRUE_OR_FALSE, WHOLE, Kind, by_name, list_of

SHOWN = 16  # digits of an identity's hash


class Question(NamedTuple):
    """What is asked of an arm: which metric, against which baseline (its hash), from which difference on it matters.

    Of tuned losses also the hash of their plan: tuned in another way they are asked something else.
    """

    metric: str
    baseline: str
    margin: float | None
    plan: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give plain values; plain runs have no plan."""
        return {name: value for name, value in self._asdict().items() if name != "plan" or value}


class Seen(NamedTuple):
    """One look at an arm: what was asked, and a hash of the scores it was asked of; of old looks the units."""

    question: Question
    data: str | tuple[int, ...]


class Decision(NamedTuple):
    """A look that found an arm (slightly) better or worse: with so many units, in a family of so many comparisons."""

    verdict: Literal["better", "worse"]
    slightly: bool
    n: int
    look: int
    family: int


@dataclass
class History:
    """The looks at the arms of a study, which are named by the first 16 digits of their hash.

    A look is a question asked of a set of scores; the same again is the same look. Another metric, margin or baseline,
    another unit or a score that has changed make another look. Looks with too few units to decide anything are not
    counted.

    Args:
        families: sets of arms, the baseline among them, that were planned or reported together.
        seen: arm -> its looks that count, the first one first.
        found: arm, question and look -> what it decided, None where it did not.
        doubts: why the history may not be whole, a clause each.
        head: the hash of the journal's last line.
    """

    families: list[frozenset[str]] = field(default_factory=list[frozenset[str]])
    seen: dict[str, list[Seen]] = field(default_factory=dict[str, list[Seen]])
    found: dict[tuple[str, Question, int], Decision | None] = field(
        default_factory=dict[tuple[str, Question, int], Decision | None]
    )
    doubts: list[str] = field(default_factory=list[str])
    head: str = ""

    def look(self, arm: str, question: Question, data: str, units: Sequence[int]) -> int:
        """Number a look at an arm: 1 the first, the same number for the same look."""
        looks, turned = self.seen.get(arm, []), question._replace(baseline=arm)
        same = [k for k, seen in enumerate(looks, 1) if _is_same(seen, question, data, units)]
        # The same two arms, the other as baseline: the same look.
        same += [k for k, seen in enumerate(self.seen.get(question.baseline, []), 1) if seen == (turned, data)]
        return same[0] if same else len(looks) + 1

    def decided(self, arm: str, question: Question) -> Decision | None:
        """The first look that found an arm better or worse, None where none did."""
        found = [each for (name, asked, _), each in self.found.items() if each and (name, asked) == (arm, question)]
        return min(found, key=lambda each: each.look, default=None)

    def family(self, baseline: str) -> set[str]:
        """All arms that were planned or reported together with a baseline."""
        return set[str]().union(*(each for each in self.families if baseline in each)) - {baseline}

    def questions(self, arms: Iterable[str]) -> int:
        """How many different questions were asked of some arms."""
        return len({seen.question for arm in arms for seen in self.seen.get(arm, ())})

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in a line of the journal.

        Raises:
            ValueError: it is no plan and no look.
        """
        _require(entry, {"what": TEXT, "arms": ARMS})
        if entry["what"] == "plan":
            self.families.append(frozenset(entry["arms"]))
        elif entry["what"] == "look":
            self._add_look(entry)

    def _add_look(self, entry: Mapping[str, Any]) -> None:
        _require(entry, {"question": QUESTION, "family": TEXTS})
        question = Question(**entry["question"])
        for each in entry["arms"].values():
            _require(each, LOOKED)
        family = frozenset(entry["family"])
        self.families.append(family | {question.baseline})
        for arm, each in entry["arms"].items():
            number = self.look(arm, question, each["data"], each["units"])
            if each["counts"]:
                self._count(arm, Seen(question, each["data"]), each["units"])
            self.found[arm, question, number] = _decision(each, number, len(family))
        # Of two arms the baseline was looked at too: asking the other way round is a further look.
        if counted := sorted(each["data"] for each in entry["arms"].values() if each["counts"]):
            self._count(question.baseline, Seen(question, " ".join(counted)), ())

    def _count(self, arm: str, seen: Seen, units: Sequence[int]) -> None:
        """Add a look at an arm unless it is there."""
        if self.look(arm, seen.question, str(seen.data), units) > len(self.seen.get(arm, ())):
            self.seen.setdefault(arm, []).append(seen)


def _decision(each: Mapping[str, Any], look: int, family: int) -> Decision | None:
    """What a line of the journal says that a look decided of an arm."""
    if each["verdict"] not in ("better", "worse"):
        return None
    return Decision(each["verdict"], bool(each.get("qualifier")), each["n"], look, family)


def data_hash(scores: Mapping[int, tuple[float, float]]) -> str:
    """Hash what a look sees of two arms: unit -> their scores to 9 digits, in any order; nan of a diverged run."""
    lines = [f"{unit} {' '.join(sorted(f'{score:.9g}' for score in pair))}" for unit, pair in sorted(scores.items())]
    return sha256("\n".join(lines).encode()).hexdigest()[:SHOWN]


def read_history(study: Path) -> History:
    """Read journal.jsonl, and looks.json of a study from before there was one.

    Raises:
        UserError: a file cannot be read.
    """
    history = History()
    for question, arm, looks in _old(study):
        history.seen.setdefault(arm, []).extend(Seen(question, units) for units in looks)
    return _with_lines(history, read_journal(study))


def _with_lines(history: History, journal: Journal) -> History:
    doubts = list(journal.doubts)
    for entry in journal.entries:
        try:
            history.add(entry)
        except ValueError as error:
            doubts.append(f"a line of {journal.path} is damaged ({error})")
    return replace(history, doubts=doubts, head=journal.head)


def _old(study: Path) -> Iterator[tuple[Question, str, list[tuple[int, ...]]]]:
    for name, looks in read_old_looks(study).items():
        metric, baseline, arm = name.split(" ")
        yield Question(metric, baseline, None), arm, [tuple(units) for units in looks]


def _is_same(seen: Seen, question: Question, data: str, units: Sequence[int]) -> bool:
    if isinstance(seen.data, tuple):  # an old look knows neither margin nor scores
        return seen.question[:2] == question[:2] and seen.data == tuple(units)
    return (seen.question, seen.data) == (question, data)


MARGIN = NUMBER.or_null()


def _is_question(value: Any) -> bool:
    texts = {name: part for name, part in value.items() if name != "margin"} if SETTINGS.is_right(value) else {}
    is_whole = texts.keys() - {"plan"} == {"metric", "baseline"} and all(map(TEXT.is_right, texts.values()))
    return is_whole and "margin" in value and MARGIN.is_right(value["margin"])


ARMS = by_name(SETTINGS, "arms by hash")
QUESTION = Kind(_is_question, "a metric, a baseline and a margin")
LOOKED: Mapping[str, Kind] = {
    "data": TEXT,
    "units": list_of(WHOLE, "whole numbers"),
    "n": WHOLE,
    "verdict": TEXT,
    "counts": TRUE_OR_FALSE,
}


def _require(found: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    for name, kind in kinds.items():
        if name not in found or not kind.is_right(found[name]):
            raise ValueError(f"{name} must be {kind.words}")
