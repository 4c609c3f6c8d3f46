"""Adversaries who want the word "better" for a loss that equals the baseline: with the journal they get it rarely.

Each study is one family of equal losses on one split; the words come from the code that a report runs, without files.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

from lossbench.report.compared import Compared
from lossbench.report.looks import History, Question
from lossbench.report.stats import max_t
from lossbench.report.stats.differences import Differences
from lossbench.report.verdicts import judge

ARMS = 5
LIMIT = 0.06
Scores = Mapping[str, np.ndarray]  # arm -> (n,) scores; "base" is the baseline


class Study:
    """Scores of equal losses, and the record of what was asked of them."""

    def __init__(self, stream: np.random.Generator, metrics: int = 1, n: int = 20) -> None:
        shared = stream.standard_normal((metrics, n))
        self.scores = {
            name: [row + stream.standard_normal(n) for row in shared]
            for name in ("base", *(f"arm{k}" for k in range(ARMS)))
        }
        self.history = History()
        self.history.add({"what": "plan", "arms": {name: {} for name in self.scores}})

    def ask(
        self,
        units: np.ndarray,
        *,
        arms: tuple[str, ...] | None = None,
        metric: int = 0,
        margin: float | None = None,
        baseline: str = "base",
        seen: Scores | None = None,
    ) -> bool:
        """Ask for a verdict and record the look; whether any loss was called better."""
        scores = seen or {name: found[metric] for name, found in self.scores.items()}
        shown = {*(arms or scores)}
        compared = {
            name: self._compared(name if name in shown else "", scores[name], scores[baseline], units)
            for name in scores
            if name != baseline
        }
        question = Question(f"test/{metric}", baseline, margin)
        found = judge(compared, self.history, question, design="split")
        if found.entry is not None:
            self.history.add(found.entry)
        return any(pair.verdict == "better" for pair in found.paired.values())

    @staticmethod
    def _compared(label: str, ours: np.ndarray, theirs: np.ndarray, units: np.ndarray) -> Compared:
        known = units[~np.isnan(ours[units]) & ~np.isnan(theirs[units])]
        pairs = {int(unit): (float(ours[unit]), float(theirs[unit])) for unit in known}
        return Compared(label, Differences(known, ours[known] - theirs[known]), pairs)


def peeks(stream: np.random.Generator) -> bool:
    """Looks after every unit, and stops where something is better."""
    study = Study(stream)
    return any(study.ask(np.arange(n)) for n in range(6, 21))


def narrows(stream: np.random.Generator) -> bool:
    """Reports each loss alone."""
    study = Study(stream)
    return any(study.ask(np.arange(12), arms=("base", f"arm{k}")) for k in range(ARMS))


def redoes_failures(stream: np.random.Generator) -> bool:
    """Runs failed runs again, one by one, and looks after each."""
    study = Study(stream, n=12)
    scores = {name: found[0].copy() for name, found in study.scores.items()}
    lost = [(name, unit) for name in scores if name != "base" for unit in (9, 10, 11)]
    whole = {name: found.copy() for name, found in scores.items()}
    for name, unit in lost:
        scores[name][unit] = np.nan
    found = study.ask(np.arange(12), seen=scores)
    for name, unit in lost:
        scores[name][unit] = whole[name][unit]
        found = found or study.ask(np.arange(12), seen=scores)
    return found


def changes_the_metric(stream: np.random.Generator) -> bool:
    """Asks by each of five metrics."""
    study = Study(stream, metrics=5)
    return any(study.ask(np.arange(12), metric=metric) for metric in range(5))


def changes_the_margin(stream: np.random.Generator) -> bool:
    """Asks with each of four margins."""
    study = Study(stream)
    return any(study.ask(np.arange(12), margin=margin) for margin in (None, 2.0, 1.0, 0.1))


def changes_the_baseline(stream: np.random.Generator) -> bool:
    """Asks against each loss in turn."""
    study = Study(stream)
    return any(study.ask(np.arange(12), baseline=name) for name in study.scores)


ADVERSARIES = (peeks, narrows, redoes_failures, changes_the_metric, changes_the_margin, changes_the_baseline)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tenth of the draws of the largest T: ten times faster, and as exact as these simulations are."""
    monkeypatch.setattr(max_t, "DRAWS", 2_000)
    max_t._normals.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield
    max_t._normals.cache_clear()  # pyright: ignore[reportPrivateUsage]


def rate(adversary: Callable[[np.random.Generator], bool], studies: int) -> float:
    return float(np.mean([adversary(np.random.default_rng([7, k])) for k in range(studies)]))


def most(studies: int) -> float:
    """The limit and three standard errors of a simulation."""
    return LIMIT + 3 * float(np.sqrt(LIMIT * (1 - LIMIT) / studies))


@pytest.mark.slow
@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_no_adversary_finds_more_than_the_journal_allows(adversary: Callable[[np.random.Generator], bool]) -> None:
    assert rate(adversary, 200) <= most(200)


def forgets(stream: np.random.Generator) -> bool:
    """Asks by each of five metrics, and deletes the journal after each."""
    study = Study(stream, metrics=5)
    found = False
    for metric in range(5):
        found = study.ask(np.arange(12), metric=metric) or found
        study.history = History()
    return found


def test_the_journal_is_what_holds_an_adversary_back() -> None:
    held, free = rate(changes_the_metric, 50), rate(forgets, 50)
    assert held <= most(50)
    assert free >= held + 0.06
