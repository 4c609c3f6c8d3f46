"""What every run of some arms scored, the diverged ones included, and the differences of two arms."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lossbench.metrics.registry import METRICS
from lossbench.report import chance
from lossbench.report.arms import Arm
from lossbench.report.examples import Outputs, Parts, RunOutputs, read_outputs, read_parts
from lossbench.report.records import Record
from lossbench.report.right_answers import PAIRED_BY_EXAMPLE, RightAnswers
from lossbench.report.stats.differences import Design, Differences
from lossbench.report.together import each_outputs
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.status import DIVERGED

# Reasons of runs from before status.json had the cause.
REASON = re.compile(r"the training (loss|state \(weights, statistics\)) (is|became) -?(nan|inf)")


def has_diverged(record: Record) -> bool:
    """Whether a run without a result failed because its training became NaN or infinite."""
    if record.state != "failed":
        return False
    return record.status.get("cause") == DIVERGED or bool(REASON.search(str(record.status.get("reason"))))


def is_classifier(record: Record) -> bool:
    """Whether a run that is done gives each example one class."""
    return "task" not in record.done_result.facts


def is_spoilt(record: Record) -> bool:
    """Whether a run that is done gave outputs that are NaN or infinite: no metric of its task has a value."""
    values = [value for name, value in record.metrics.items() if name.startswith("test/") and name[5:] in METRICS]
    return bool(values) and all(value is None for value in values)


@dataclass
class Outcomes:
    """The outcomes of some arms: by hash of the arm, then by unit.

    A diverged run scores what guessing scores; where guessing has no score, the worst finite score of these arms.

    Args:
        scores: of every run.
        parts: what each example contributes to it; of no run where one has none.
        without_parts: why there are none, if so.
        damaged: predictions that could not be read, with the reason.
        answers: which test examples the runs with parts got right, where the metric is decided by that.
    """

    scores: dict[str, dict[int, float]]
    parts: dict[str, dict[int, Parts]] = field(default_factory=dict[str, dict[int, Parts]])
    without_parts: str | None = None
    damaged: list[str] = field(default_factory=list[str])
    answers: RightAnswers = field(default_factory=RightAnswers, repr=False)
    _orders: dict[bytes, tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict[bytes, tuple[np.ndarray, np.ndarray]], repr=False
    )

    def units(self, arm: Arm, baseline: Arm) -> list[int]:
        """The units in which both arms have an outcome, rising."""
        return sorted(self.scores[arm.digest].keys() & self.scores[baseline.digest].keys())

    def differences(self, arm: Arm, baseline: Arm, sign: int) -> Differences:
        """Arm minus baseline, times the sign, in the units that both have, at least one."""
        units = self.units(arm, baseline)
        ours, theirs = self.scores[arm.digest], self.scores[baseline.digest]
        means = sign * np.array([ours[unit] - theirs[unit] for unit in units])
        return Differences(np.array(units), means, self._by_example(arm, baseline, units, sign))

    def add_parts(self, digest: str, unit: int, parts: Parts) -> None:
        """Keep the parts of a run by rising names; runs on the same examples share one array of names."""
        key = parts.ids.tobytes()
        if key not in self._orders:
            order = np.argsort(parts.ids, kind="stable")
            self._orders[key] = order, parts.ids[order]
        order, ids = self._orders[key]
        self.parts.setdefault(digest, {})[unit] = Parts(ids, parts.values[order])

    def _by_example(self, arm: Arm, baseline: Arm, units: Sequence[int], sign: int) -> np.ndarray | None:
        ours, theirs = self.parts.get(arm.digest, {}), self.parts.get(baseline.digest, {})
        if not all(unit in ours and unit in theirs for unit in units):
            return None
        columns, places = self._columns
        found = np.full((len(units), len(columns)), np.nan, dtype=np.float32)
        for row, unit in zip(found, units, strict=True):
            a, b = ours[unit], theirs[unit]
            if a.ids is not b.ids and not np.array_equal(a.ids, b.ids):
                return None
            row[places[id(a.ids)]] = sign * (a.values - b.values)
        return found

    @cached_property
    def _columns(self) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """All examples that any run was tested on, by rising names; and the places of each array of names in them."""
        names = [ids for _, ids in self._orders.values()]
        columns = np.unique(np.concatenate(names))
        return columns, {id(ids): np.searchsorted(columns, ids) for ids in names}


def find_outcomes(
    arms: Sequence[Arm], metric: str, design: Design, *, higher_is_better: bool, with_parts: bool = True
) -> Outcomes:
    """Score all runs of some arms.

    Args:
        arms: with the runs that are done, each of which has the metric, and those that diverged.
        metric: such as test/accuracy.
        design: how the units share test examples.
        higher_is_better: its direction.
        with_parts: whether scores are split up by example.
    """
    return find_outcomes_of(arms, {metric: higher_is_better}, design, with_parts=with_parts)[metric]


def find_outcomes_of(
    arms: Sequence[Arm], metrics: Mapping[str, bool], design: Design, *, with_parts: bool = True
) -> dict[str, Outcomes]:
    """Score all runs of some arms in several metrics; the predictions of each run are read once.

    Args:
        arms: with the runs that are done, each of which has the metrics, and those that diverged.
        metrics: metric -> whether higher is better.
        design: how the units share test examples.
        with_parts: whether scores are split up by example.
    """
    found = {metric: Outcomes({arm.digest: arm.scores(metric) for arm in arms}) for metric in metrics}
    if with_parts:
        _find_parts(arms, found)
    for metric, outcomes in found.items():
        _score_all_diverged(arms, metric, design, outcomes, higher_is_better=metrics[metric])
    return found


def _score_all_diverged(
    arms: Sequence[Arm], metric: str, design: Design, outcomes: Outcomes, *, higher_is_better: bool
) -> None:
    if any(arm.diverged for arm in arms):
        guess = _Guess(arms, metric, design)
        lowest = chance.worst(
            [score for scores in outcomes.scores.values() for score in scores.values()],
            higher_is_better=higher_is_better,
        )
        for arm in arms:
            for unit in arm.diverged:
                _score_diverged(arm.digest, unit, guess, lowest, outcomes)
        _require_all_parts(arms, outcomes)


def _require_all_parts(arms: Sequence[Arm], outcomes: Outcomes) -> None:
    """Keep no parts where a unit has none: every comparison has the same kind of interval."""
    for arm in arms:
        lacking = [unit for unit in arm.diverged if unit not in outcomes.parts.get(arm.digest, {})]
        if outcomes.parts and lacking:
            outcomes.parts, outcomes.without_parts = {}, f"all runs of {arm.kind} {lacking[0]} diverged"


def _find_parts(arms: Sequence[Arm], outcomes: Mapping[str, Outcomes]) -> None:
    """Find the parts of every run that is done in each metric, up to the first run that has none."""
    for arm in arms:
        for unit, outputs in each_outputs(arm, _split_up(outcomes)):
            for metric in (wanted := _split_up(outcomes)):
                _add_parts(arm, unit, outputs, metric, outcomes[metric])
            if not wanted:
                return


def _split_up(outcomes: Mapping[str, Outcomes]) -> list[str]:
    """The metrics of which every run so far has parts."""
    return [metric for metric, found in outcomes.items() if found.without_parts is None]


def _add_parts(arm: Arm, unit: int, outputs: RunOutputs, metric: str, outcomes: Outcomes) -> None:
    """Add the parts of one run, or say why no run has any."""
    try:
        found = read_parts(outputs, metric)
    except DamagedError as error:
        outcomes.damaged.append(str(error))
        found = f"{error.path} is damaged"
    if isinstance(found, str):
        outcomes.parts, outcomes.without_parts = {}, found
    else:
        outcomes.add_parts(arm.digest, unit, found)
        if metric in PAIRED_BY_EXAMPLE and (of_test := outputs.of("test")) is not None:
            outcomes.answers.add(outputs.run, of_test)


class _Guess:
    """The scores of guessing, by unit; of one test part for all units they are those of any run."""

    def __init__(self, arms: Sequence[Arm], metric: str, design: Design) -> None:
        self.metric, self.is_shared = metric, design != "folds"
        self.runs: dict[int, list[Record]] = {}
        for arm in arms:
            for unit, run in arm.runs.items():
                self.runs.setdefault(unit, []).append(run)
        every = [run for runs in self.runs.values() for run in runs]
        self.classes = max((len(run.done_result.classes) for run in every if is_classifier(run)), default=0)
        self.every = every

    def outputs(self, unit: int) -> Outputs | None:
        """The outputs of a run on the same examples, None where there are none."""
        split = self.metric.partition("/")[0]
        for run in (*self.runs.get(unit, ()), *(self.every if self.is_shared else ())):
            try:
                found = read_outputs(run, split)
            except DamagedError:  # said where the parts of that run are read
                continue
            if found is not None:
                return found
        return None


def _score_diverged(digest: str, unit: int, guess: _Guess, lowest: float, outcomes: Outcomes) -> None:
    """Score one diverged run, and split its score up by example where the examples are known."""
    outputs = guess.outputs(unit)
    if not chance.is_guessable(guess.metric):
        score, parts = lowest, None if outputs is None else Parts(outputs.ids, np.full(len(outputs.ids), lowest))
    else:
        parts = None if outputs is None else chance.guessed(guess.metric, outputs)
        known = chance.without_outputs(guess.metric, guess.classes)
        score = float(np.nanmean(parts.values)) if parts else lowest if known is None else known
    outcomes.scores[digest][unit] = score
    outcomes.scores[digest] = dict(sorted(outcomes.scores[digest].items()))
    if parts is not None and outcomes.parts:
        outcomes.add_parts(digest, unit, parts)


def failed_units(arm: Arm, missing: Iterable[Record]) -> list[int]:
    """Units of an arm whose run failed for another reason than divergence, and has not been done elsewhere."""
    names = [record.name for record in missing if record.state == "failed" and not has_diverged(record)]
    failed = {name.unit for name in names if name.digest and arm.digest.startswith(name.digest)}
    return sorted(unit for unit in failed if unit is not None and unit not in {*arm.runs, *arm.diverged})
