"""From runs to an answer: scores of every arm, and its paired comparison with the baseline."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.errors import UserError, suggest
from lossbench.study.arms import Arm, make_arms
from lossbench.study.looks import looks_at
from lossbench.study.records import Record, require_comparable
from lossbench.study.stats.summary import Summary, summarise
from lossbench.study.stats.verdict import Comparison, compare
from lossbench.units import Unit, unit_of


@dataclass(frozen=True)
class Question:
    """What is asked of some runs.

    Args:
        baseline: a loss, or the label of an arm, that the others are compared with.
        metric: what is compared, e.g. test/accuracy; None is the test value of what the runs monitor.
        margin: differences below it do not matter, in the stored unit of the metric; None is what is customary (one point of accuracy).
    """

    baseline: str = "cross_entropy"
    metric: str | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Answer:
    """What the runs say.

    Args:
        metric: what was compared.
        unit: how it is shown.
        margin: differences below it do not matter, stored unit; None where none is stated or customary.
        arms: the baseline first, then from the best mean to the worst.
        baseline: the arm that the others are compared with; None where the runs have none.
        summaries: label -> the scores of the arm, stored unit.
        comparisons: label -> paired comparison with the baseline, stored unit, positive is better; arms without common seeds are missing.
        common: label -> seeds that the arm and the baseline both have.
        chosen: whether the baseline is one of several settings of its loss, the best of them on the validation split.
        frozen: whether every seed gave the same run, so that seeds say nothing and one of them is kept.
        unrecorded: why the looks could not be recorded, if so.
    """

    metric: str
    unit: Unit
    margin: float | None
    arms: Sequence[Arm]
    baseline: Arm | None
    summaries: Mapping[str, Summary]
    comparisons: Mapping[str, Comparison]
    common: Mapping[str, Sequence[int]]
    chosen: bool = False
    frozen: bool = False
    unrecorded: str | None = None

    @property
    def others(self) -> list[Arm]:
        """All arms but the baseline."""
        return [arm for arm in self.arms if arm is not self.baseline]

    @property
    def monitored(self) -> str:
        """The validation metric of the same name as the compared one."""
        return f"val/{self.metric.rpartition('/')[2]}"


def answer(records: Sequence[Record], question: Question) -> Answer:
    """Compare the arms of some done runs with a baseline, paired by seed.

    Args:
        records: done runs, at least one.
        question: what is asked.

    Returns:
        The answer; its looks have been recorded beside the baseline's runs.

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    require_comparable(records)
    arms = make_arms(records)
    metric = _metric(arms, question.metric)
    unit = unit_of(metric)
    margin = question.margin if question.margin is not None else unit.margin
    if margin is not None and not 0 < margin < math.inf:
        raise UserError(f"margin must be > 0 and finite, in the unit of {metric} (0.01 is one point of accuracy), got {margin}")
    frozen = _are_frozen(arms)
    arms = _one_of_each(arms) if frozen else arms
    summaries = {arm.label: summarise(arm.values(metric)) for arm in arms}
    sign = 1 if unit.higher_is_better else -1
    arms = sorted(arms, key=lambda arm: (-sign * summaries[arm.label].mean, arm.label))
    baseline, chosen = _baseline(arms, question.baseline, metric)
    if baseline is None:
        return Answer(metric, unit, margin, arms, None, summaries, {}, {}, frozen=frozen)
    arms = [baseline, *(arm for arm in arms if arm is not baseline)]
    common = {arm.label: [seed for seed in arm.runs if seed in baseline.runs] for arm in arms[1:]}
    differences = {arm.label: sign * paired(arm, baseline, metric, common[arm.label]) for arm in arms[1:] if common[arm.label]}
    looks, unrecorded = _looks(arms, baseline, metric, common)
    comparisons = compare(differences, margin, looks) if differences else {}
    return Answer(metric, unit, margin, arms, baseline, summaries, comparisons, common, chosen, frozen, unrecorded)


def paired(arm: Arm, baseline: Arm, metric: str, seeds: Sequence[int]) -> np.ndarray:
    """Differences arm minus baseline of the seeds given: (n,), stored unit."""
    ours, theirs = arm.scores(metric), baseline.scores(metric)
    return np.array([ours[seed] - theirs[seed] for seed in seeds])


def _metric(arms: Sequence[Arm], wanted: str | None) -> str:
    runs = [run for arm in arms for run in arm.runs.values()]
    shared = set.intersection(*({name for name, value in run.metrics.items() if value is not None} for run in runs))
    monitors = sorted({str(run.params.get("monitor")) for run in runs})
    if wanted is None:
        wanted = monitors[0].replace("val/", "test/", 1) if len(monitors) == 1 else "test/accuracy"
    if wanted not in shared:
        measured = any(wanted in run.metrics for run in runs)
        lacks = next(run for run in runs if run.metrics.get(wanted) is None) if measured else None
        where = f" in all runs, {lacks.path} lacks it" if lacks else ""
        raise UserError(f"metric={wanted} does not exist{where}; {suggest(wanted, shared)}")
    return wanted


def _baseline(arms: Sequence[Arm], name: str, metric: str) -> tuple[Arm | None, bool]:
    """Find the baseline by label, else among the arms of that loss the one with the best validation score; say whether one was chosen."""
    # By label first: of two with the same validation score the test score is not to choose.
    named = sorted((arm for arm in arms if name in (arm.label, arm.loss)), key=lambda arm: (arm.label != name, arm.label))
    if not named:
        if name == Question.baseline:  # a sweep of one loss alone has none, and need not
            return None, False
        raise UserError(f"baseline={name} does not exist; {suggest(name, [*{arm.loss for arm in arms}, *(arm.label for arm in arms)])}")
    if named[0].label == name:
        return named[0], False
    validated = metric.replace("test/", "val/", 1)
    sign = 1 if unit_of(metric).higher_is_better else -1
    best = max(named, key=lambda arm: sign * float(np.mean(arm.values(validated))) if len(arm.values(validated)) else -np.inf)
    return best, len(named) > 1


def _looks(arms: Sequence[Arm], baseline: Arm, metric: str, common: Mapping[str, Sequence[int]]) -> tuple[dict[str, int], str | None]:
    folder = next(iter(baseline.runs.values())).path.resolve().parents[1]
    digests = {arm.digest: common[arm.label] for arm in arms if arm is not baseline and common[arm.label]}
    counted, unrecorded = looks_at(folder, metric, baseline.digest, digests)
    return {arm.label: counted[arm.digest] for arm in arms if arm.digest in counted}, unrecorded


def _are_frozen(arms: Sequence[Arm]) -> bool:
    """Whether the seed decides nothing: every arm with several seeds has the same loss on both splits in all of them."""
    several = [arm for arm in arms if len(arm.runs) > 1]
    found = ([run.metrics.get(metric) for run in arm.runs.values()] for arm in several for metric in ("val/loss", "test/loss"))
    return bool(several) and all(losses[0] is not None and len(set(losses)) == 1 for losses in found)


def _one_of_each(arms: Sequence[Arm]) -> list[Arm]:
    """Keep one seed, the same in all arms where they share one."""
    shared = set.intersection(*({*arm.runs} for arm in arms))
    kept = [min(shared or arm.runs) for arm in arms]
    return [Arm(arm.label, arm.loss, arm.digest, arm.settings, {seed: arm.runs[seed]}) for arm, seed in zip(arms, kept, strict=True)]
