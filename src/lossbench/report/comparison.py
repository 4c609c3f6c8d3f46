"""From runs to an answer: scores of every arm, and its paired comparison with the baseline."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lossbench.errors import UserError, suggest
from lossbench.metrics.registry import headlines
from lossbench.metrics.units import Unit, unit_of
from lossbench.report.arms import Arm, make_arms
from lossbench.report.journal import Looks, name_of
from lossbench.report.records import Record, require_comparable
from lossbench.report.stats.summary import Summary, summarise
from lossbench.report.stats.verdict import Comparison, compare

OPEN = ("planned", "running", "preempted", "cancelled")
INSTEAD = "mse"  # of cross_entropy, where runs of other tasks have no such baseline


@dataclass(frozen=True)
class Question:
    """What is asked of some runs.

    Args:
        baseline: a loss, or the label of an arm, that the others are compared with; the default gives way to mse where no run has it.
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
        provisional: runs of these arms that are still to be done; while there are any, nothing is judged and no look is taken.
        standing: label -> seeds and look with which an earlier report found it better or worse, where these runs alone would not.
        failed: label -> runs of the arm that failed.
        copies: runs that are there twice, of which one counts.
        instead: the metric that was asked for, where it cannot be compared.
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
    provisional: int = 0
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    copies: int = 0
    instead: str | None = None

    @property
    def others(self) -> list[Arm]:
        """All arms but the baseline."""
        return [arm for arm in self.arms if arm is not self.baseline]

    @property
    def monitored(self) -> str:
        """The validation metric of the same name as the compared one."""
        return f"val/{self.metric.rpartition('/')[2]}"


def answer(records: Sequence[Record], question: Question, missing: Sequence[Record] = ()) -> Answer:
    """Compare the arms of some done runs with a baseline, paired by seed.

    Args:
        records: done runs, at least one.
        question: what is asked.
        missing: runs of the same sweep without a result: while any is still to be done nothing is judged; failed ones are counted.

    Returns:
        The answer; its looks have been recorded beside the baseline's runs.

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    require_comparable(records)
    arms = make_arms(records)
    copies = len(records) - sum(len(arm.runs) for arm in arms)
    metric, instead = _metric(arms, question.metric)
    unit = unit_of(metric)
    margin = question.margin if question.margin is not None else unit.margin
    if margin is not None and not 0 < margin < math.inf:
        raise UserError(
            f"margin must be > 0 and finite, in the unit of {metric} (0.01 is one point of accuracy), got {margin}"
        )
    frozen = _are_frozen(arms)
    arms = _one_of_each(arms) if frozen else arms
    summaries = {arm.label: summarise(arm.values(metric)) for arm in arms}
    sign = 1 if unit.higher_is_better else -1
    arms = sorted(arms, key=lambda arm: (-sign * summaries[arm.label].mean, arm.label))
    baseline, chosen = _baseline(arms, question.baseline, metric)
    failed = {arm.label: len(seeds) for arm in arms if (seeds := _failed_seeds(arm, missing))}
    found = Answer(
        metric,
        unit,
        margin,
        arms,
        baseline,
        summaries,
        {},
        {},
        chosen,
        frozen,
        copies=copies,
        instead=instead,
        failed=failed,
    )
    found = replace(found, provisional=_still_to_do(arms, missing))
    if baseline is None:
        return found
    arms = [baseline, *(arm for arm in arms if arm is not baseline)]
    common = {arm.label: [seed for seed in arm.runs if seed in baseline.runs] for arm in arms[1:]}
    return _judged(replace(found, arms=arms, common=common), baseline, missing)


def _judged(found: Answer, baseline: Arm, missing: Sequence[Record]) -> Answer:
    """Compare, counting the looks; what an earlier look has decided stands."""
    sign = 1 if found.unit.higher_is_better else -1
    compared = [arm for arm in found.others if found.common[arm.label]]
    differences = {arm.label: sign * paired(arm, baseline, found.metric, found.common[arm.label]) for arm in compared}
    looks = Looks(next(iter(baseline.runs.values())).path.resolve().parents[1])
    names = {arm.label: name_of(found.metric, baseline.digest, arm.digest) for arm in compared}
    # A failed run belongs to the look that it was meant for: doing it again is no further look.
    planned = {arm.label: {*arm.runs, *_failed_seeds(arm, missing)} for arm in (*compared, baseline)}
    seeds = {arm.label: sorted(planned[arm.label] & planned[baseline.label]) for arm in compared}
    counted = {label: looks.count(name, seeds[label], len(compared)) for label, name in names.items()}
    comparisons = compare(differences, found.margin, counted)
    if found.provisional:
        comparisons = {
            label: replace(each, verdict="undecided", more_seeds=None) for label, each in comparisons.items()
        }
        return replace(found, comparisons=comparisons)
    standing: dict[str, tuple[int, int]] = {}
    for label, each in comparisons.items():
        looks.decide(names[label], each.verdict, each.n, each.look)
        word, n, look = looks.decided.get(names[label], (None, 0, 0))
        if each.verdict == "undecided" and each.look > look and word == ("better" if each.mean > 0 else "worse"):
            standing[label] = (n, look)
            comparisons[label] = replace(each, verdict=word, more_seeds=None)
    return replace(found, comparisons=comparisons, standing=standing, unrecorded=looks.save())


def _failed_seeds(arm: Arm, missing: Sequence[Record]) -> set[int]:
    named = (record.named for record in missing if record.state == "failed")
    return {seed for _, digest, seed in named if digest and arm.digest.startswith(digest) and seed is not None} - {
        *arm.runs
    }


def _still_to_do(arms: Sequence[Arm], missing: Sequence[Record]) -> int:
    """Count the runs that are planned, running or stopped, of these arms or of others on the same data and model."""
    results = [run.result or {} for arm in arms for run in arm.runs.values()]
    whats = tuple({f"{result.get('data')}-{result.get('model')}-" for result in results})
    return sum(record.state in OPEN and record.named[0].startswith(whats) for record in missing)


def paired(arm: Arm, baseline: Arm, metric: str, seeds: Sequence[int]) -> np.ndarray:
    """Differences arm minus baseline of the seeds given: (n,), stored unit."""
    ours, theirs = arm.scores(metric), baseline.scores(metric)
    return np.array([ours[seed] - theirs[seed] for seed in seeds])


def _metric(arms: Sequence[Arm], wanted: str | None) -> tuple[str, str | None]:
    """Choose the metric; also give the one that the runs monitor where that cannot be compared."""
    instead = None
    runs = [run for arm in arms for run in arm.runs.values()]
    shared = set.intersection(*({name for name, value in run.metrics.items() if value is not None} for run in runs))
    fair = next((f"test/{name}" for name in headlines() if f"test/{name}" in shared), "test/accuracy")
    monitors = sorted({str(run.params.get("monitor")) for run in runs})
    monitored = monitors[0].replace("val/", "test/", 1) if len(monitors) == 1 else fair
    metric = wanted or monitored
    own = len({arm.loss for arm in arms}) > 1 or any(key.startswith("loss.") for arm in arms for key in arm.settings)
    if metric.endswith("/loss") and own:
        if wanted is not None:
            others = (
                ", test/nll_scaled or a yardstick such as test/cross_entropy"
                if fair == "test/accuracy"
                else " or a yardstick"
            )
            raise UserError(
                f"metric={metric} is each run's own loss, a different formula in each: its values cannot be compared; use {fair}{others}"
            )
        metric, instead = fair, metric
    if metric not in shared:
        measured = any(metric in run.metrics for run in runs)
        lacks = next(run for run in runs if run.metrics.get(metric) is None) if measured else None
        where = f" in all runs, {lacks.path} lacks it" if lacks else ""
        raise UserError(f"metric={metric} does not exist{where}; {suggest(metric, shared)}")
    return metric, instead


def _baseline(arms: Sequence[Arm], name: str, metric: str) -> tuple[Arm | None, bool]:
    """Find the baseline by label, else among the arms of that loss the one with the best validation score; say whether one was chosen."""
    # By label first: of two with the same validation score the test score is not to choose.
    named = sorted(
        (arm for arm in arms if name in (arm.label, arm.loss)), key=lambda arm: (arm.label != name, arm.label)
    )
    if not named:
        if name == Question.baseline and any(arm.loss == INSTEAD for arm in arms):
            return _baseline(arms, INSTEAD, metric)
        if name == Question.baseline:  # a sweep of one loss alone has none, and need not
            return None, False
        known = {name for arm in arms for name in (arm.loss, arm.label)}
        raise UserError(f"baseline={name} does not exist; {suggest(name, known)}")
    if named[0].label == name:
        return named[0], False
    validated = metric.replace("test/", "val/", 1)
    sign = 1 if unit_of(metric).higher_is_better else -1
    best = max(
        named, key=lambda arm: sign * float(np.mean(arm.values(validated))) if len(arm.values(validated)) else -np.inf
    )
    return best, len(named) > 1


def _are_frozen(arms: Sequence[Arm]) -> bool:
    """Whether the seed decides nothing: every arm with several seeds has the same loss on both splits in all of them."""
    several = [arm for arm in arms if len(arm.runs) > 1]
    found = (
        [run.metrics.get(metric) for run in arm.runs.values()]
        for arm in several
        for metric in ("val/loss", "test/loss")
    )
    return bool(several) and all(losses[0] is not None and len(set(losses)) == 1 for losses in found)


def _one_of_each(arms: Sequence[Arm]) -> list[Arm]:
    """Keep one seed, the same in all arms where they share one."""
    shared = set.intersection(*({*arm.runs} for arm in arms))
    kept = [min(shared or arm.runs) for arm in arms]
    return [
        Arm(arm.label, arm.loss, arm.digest, arm.settings, {seed: arm.runs[seed]})
        for arm, seed in zip(arms, kept, strict=True)
    ]
