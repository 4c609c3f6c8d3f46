"""Examples that one loss gets right and another one wrong, over the units that both have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.examples import agrees, read_outputs
from lossbench.report.stats.mcnemar import mcnemar_p

MOST_ARMS = 8  # whose pairs are listed
MOST_OUTPUTS = 5e8  # numbers read for pairs, over all runs


class Example(NamedTuple):
    """A test example that two losses judge differently.

    Args:
        id: its name.
        target: its class.
        said: the wrong class most often given to it by the loss that misses it.
        times: units in which only the other loss is right.
        tested: units that tested it.
    """

    id: str
    target: int
    said: int
    times: int
    tested: int


@dataclass(frozen=True)
class Flips:
    """One loss against another, example by example.

    Args:
        ours: label of one.
        theirs: label of the other.
        only_ours: (R,) examples that only the first gets right, by unit.
        only_theirs: (R,) examples that only the second gets right.
        tested: (R,) examples.
        gained: examples that the first gets right more often, most often first.
        lost: examples that the second gets right more often, most often first.
    """

    ours: str
    theirs: str
    only_ours: np.ndarray
    only_theirs: np.ndarray
    tested: np.ndarray
    gained: Sequence[Example]
    lost: Sequence[Example]

    @property
    def p(self) -> list[float]:
        """McNemar's p of each unit."""
        return [mcnemar_p(b, c) for b, c in zip(self.only_ours.tolist(), self.only_theirs.tolist(), strict=True)]


@dataclass(frozen=True)
class Answered:
    """The test examples of a comparison, and what each arm says of them.

    Args:
        ids: (N,) names.
        targets: (N,) classes.
        predicted: label -> unit -> (N,) class placed first, -1 where the unit did not test the example.
    """

    ids: np.ndarray
    targets: np.ndarray
    predicted: Mapping[str, Mapping[int, np.ndarray]]

    def flips(self, ours: str, theirs: str) -> Flips:
        """Compare two arms on the units that both have."""
        one, other = self.predicted[ours], self.predicted[theirs]
        units = [unit for unit in one if unit in other]
        mine, yours = (np.stack([found[unit] for unit in units]) for found in (one, other))
        tested = (mine >= 0) & (yours >= 0)
        only_ours = tested & (mine == self.targets) & (yours != self.targets)
        only_theirs = tested & (yours == self.targets) & (mine != self.targets)
        net = only_ours.sum(0) - only_theirs.sum(0)
        return Flips(
            ours=ours,
            theirs=theirs,
            only_ours=only_ours.sum(1),
            only_theirs=only_theirs.sum(1),
            tested=tested.sum(1),
            gained=list(self._examples(net, only_ours, yours)),
            lost=list(self._examples(-net, only_theirs, mine)),
        )

    def _examples(self, net: np.ndarray, only: np.ndarray, said: np.ndarray) -> Iterator[Example]:
        """The examples with a positive net, the highest first, with what the loss that misses them says."""
        for k in np.argsort(-net, kind="stable")[: np.count_nonzero(net > 0)].tolist():
            often = int(np.bincount(said[only[:, k], k]).argmax())
            tested = int((said[:, k] >= 0).sum())
            yield Example(str(self.ids[k]), int(self.targets[k]), often, int(only[:, k].sum()), tested)


def read_answers(arms: Sequence[Arm]) -> Answered | None:
    """Read what the runs of some classifiers say of their test examples.

    Returns:
        The answers; None where a run has no saved predictions, or where they do not give its accuracy again.

    Raises:
        DamagedError: a predictions.npz is damaged.
    """
    places: dict[str, int] = {}
    targets: dict[str, int] = {}
    found: dict[str, dict[int, tuple[np.ndarray, np.ndarray]]] = {}
    for arm in arms:
        for unit, run in arm.runs.items():
            outputs = read_outputs(run, "test")
            if outputs is None or outputs.outputs.ndim != 2 or outputs.targets.ndim != 1:
                return None
            predicted = outputs.outputs.argmax(1)
            if not agrees(run, "test/accuracy", float((predicted == outputs.targets).mean())):
                return None
            ids = outputs.ids.tolist()
            targets.update(zip(ids, outputs.targets.tolist(), strict=True))
            where = np.array([places.setdefault(name, len(places)) for name in ids])
            found.setdefault(arm.label, {})[unit] = where, predicted
    answers = {label: _spread(units, len(places)) for label, units in found.items()}
    return Answered(np.array(list(places)), np.array([targets[name] for name in places]), answers)


def _spread(units: Mapping[int, tuple[np.ndarray, np.ndarray]], n: int) -> dict[int, np.ndarray]:
    spread: dict[int, np.ndarray] = {}
    for unit, (where, predicted) in units.items():
        spread[unit] = np.full(n, -1)
        spread[unit][where] = predicted
    return spread


@dataclass(frozen=True)
class AllFlips:
    """The flips of a comparison.

    Args:
        first: the best loss against the baseline.
        pairs: every pair of the arms shown, the first one included.
    """

    first: Flips
    pairs: Sequence[Flips]


def find_flips(comparison: Comparison) -> AllFlips | None:
    """Compare the best other arm with the baseline, and every pair of the first arms, example by example.

    Returns:
        None without a baseline, of other tasks than classification, without saved predictions or common units.

    Raises:
        DamagedError: a predictions.npz is damaged.
    """
    arms = _arms_shown(comparison)
    answered = read_answers(arms) if len(arms) > 1 else None
    if answered is None:
        return None
    units = {arm.label: arm.runs.keys() for arm in arms}
    labels = [(ours, theirs) for theirs, ours in combinations(units, 2) if units[ours] & units[theirs]]
    pairs = [answered.flips(ours, theirs) for ours, theirs in labels]
    return AllFlips(pairs[0], pairs)


def _arms_shown(comparison: Comparison) -> list[Arm]:
    """The baseline and the best of those that share a unit with it, as many as are not too many to read."""
    baseline = comparison.baseline
    if baseline is None or not baseline.runs:
        return []
    result = next(iter(baseline.runs.values())).done_result
    if len(result.classes) < 2:
        return []
    outputs = len(baseline.runs) * result.n["test"] * len(result.classes)
    others = [arm for arm in comparison.others if arm.runs.keys() & baseline.runs.keys()]
    return [baseline, *others][: max(2, min(MOST_ARMS, int(MOST_OUTPUTS / outputs)))]
