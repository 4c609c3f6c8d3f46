"""The comparison of some arms with a baseline: scores of every arm, and its differences paired by seed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from lossbench.errors import UserError
from lossbench.metrics.units import Unit, unit_of
from lossbench.report.arms import Arm, make_arms
from lossbench.report.baseline import choose_baseline
from lossbench.report.comparable import require_comparable
from lossbench.report.compared_metric import choose_metric
from lossbench.report.journal import Looks, name_of
from lossbench.report.outcomes import has_diverged
from lossbench.report.records import Record
from lossbench.report.spec import ComparisonSpec
from lossbench.report.stats.summary import Summary, summarise
from lossbench.report.stats.verdict import Differences, PairedComparison
from lossbench.report.verdicts import judge

Design = Literal["folds", "published", "split"]
OPEN = ("planned", "running", "preempted", "cancelled")


@dataclass(frozen=True)
class Comparison:
    """Arms compared with a baseline.

    Args:
        metric: what was compared.
        unit: how it is shown.
        margin: differences below it do not matter, stored unit; None where none is stated or customary.
        arms: the baseline first, then from the best mean to the worst.
        baseline: the arm that the others are compared with; None where the runs have none.
        summaries: label -> the scores of the arm, stored unit.
        paired: label -> paired comparison with the baseline, stored unit, positive is better; arms without common seeds
            are missing.
        common: label -> seeds that the arm and the baseline both have.
        chosen: whether the baseline is one of several settings of its loss, the best of them on the validation split.
        frozen: whether every seed gave the same run, so that seeds decide nothing and one of them is kept.
        unrecorded: why the looks could not be recorded, if so.
        provisional: runs of these arms that are still to be done; while there are any, nothing is judged and no look is
            taken.
        standing: label -> seeds and look with which an earlier report found it better or worse, where these runs alone
            would not.
        diverged: label -> units whose training became NaN or infinite.
        unfinished: label -> units that failed for another reason: data that are missing.
        collapsed: label -> units whose score is far below the others'.
        kind: what a unit is: a replicate, or a seed on one split.
        design: how the units share test examples: folds, one published test set, or one split.
        family: comparisons that were planned, at least those here; p-values are corrected for all of them.
        questions: looks at these runs so far, with other metrics, margins, baselines or units, this one included.
        copies: runs that are there twice, of which one counts.
        instead: the metric that the runs monitor, where it cannot be compared.
    """

    metric: str
    unit: Unit
    margin: float | None
    arms: Sequence[Arm]
    baseline: Arm | None
    summaries: Mapping[str, Summary]
    paired: Mapping[str, PairedComparison] = field(default_factory=dict[str, PairedComparison])
    common: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    chosen: bool = False
    frozen: bool = False
    unrecorded: str | None = None
    provisional: int = 0
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    diverged: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    unfinished: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    collapsed: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    kind: Literal["replicate", "seed"] = "seed"
    design: Design = "split"
    family: int = 0
    questions: int = 1
    copies: int = 0
    instead: str | None = None

    @property
    def others(self) -> list[Arm]:
        """All arms but the baseline."""
        return [arm for arm in self.arms if arm is not self.baseline]

    @property
    def runs(self) -> list[Record]:
        """The runs of all arms."""
        return [run for arm in self.arms for run in arm.runs.values()]

    @property
    def split(self) -> str:
        """The split that the metric was measured on: "val" or "test"."""
        return self.metric.partition("/")[0]

    @property
    def monitored(self) -> str:
        """The validation metric of the same name as the compared one."""
        return f"val/{self.metric.rpartition('/')[2]}"


def compare_arms(records: Sequence[Record], spec: ComparisonSpec, missing: Sequence[Record] = ()) -> Comparison:
    """Compare the arms of some done runs with a baseline, paired by seed.

    Args:
        records: done runs, at least one.
        spec: the baseline, the metric and the margin.
        missing: runs of the same sweep without a result: while any is still to be done nothing is judged; failed ones
            are counted.

    Returns:
        The comparison; its looks have been recorded beside the baseline's runs.

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    require_comparable(records)
    arms = make_arms(records)
    copies = len(records) - sum(len(arm.runs) for arm in arms)
    metric, instead = choose_metric(arms, spec.metric)
    margin = _margin(spec, metric)
    frozen = _are_frozen(arms)
    arms = _one_seed_of_each(arms) if frozen else arms
    summaries = {arm.label: summarise(arm.values(metric)) for arm in arms}
    unit = unit_of(metric)
    sign = 1 if unit.higher_is_better else -1
    arms = sorted(arms, key=lambda arm: (-sign * summaries[arm.label].mean, arm.label))
    baseline, chosen = choose_baseline(arms, spec.baseline, metric)
    diverged = {arm.label: _failed_seeds(arm, filter(has_diverged, missing)) for arm in arms}
    failed = {arm.label: _failed_seeds(arm, missing) for arm in arms}
    comparison = Comparison(
        metric=metric,
        unit=unit,
        margin=margin,
        arms=arms,
        baseline=baseline,
        summaries=summaries,
        chosen=chosen,
        frozen=frozen,
        copies=copies,
        instead=instead,
        diverged=_listed(diverged),
        unfinished=_listed({label: seeds - diverged[label] for label, seeds in failed.items()}),
        provisional=_still_to_do(arms, missing),
    )
    return comparison if baseline is None else _with_verdicts(comparison, baseline, failed)


def _with_verdicts(comparison: Comparison, baseline: Arm, failed: Mapping[str, set[int]]) -> Comparison:
    """Put the baseline first, pair the others with it, and judge them by the looks of the baseline's study."""
    others = comparison.others
    common = {arm.label: _common_seeds(arm, baseline) for arm in others}
    compared = [arm for arm in others if common[arm.label]]
    metric, sign = comparison.metric, 1 if comparison.unit.higher_is_better else -1
    # A failed run belongs to the look that it was meant for: doing it again is no further look.
    planned = {arm.label: {*arm.runs, *failed[arm.label]} for arm in comparison.arms}
    verdicts = judge(
        {
            arm.label: Differences(
                np.array(common[arm.label]), sign * paired_differences(arm, baseline, metric, common[arm.label])
            )
            for arm in compared
        },
        Looks(next(iter(baseline.runs.values())).study),
        {arm.label: name_of(metric, baseline.digest, arm.digest) for arm in compared},
        {arm.label: sorted(planned[arm.label] & planned[baseline.label]) for arm in compared},
        comparison.margin,
        is_provisional=comparison.provisional > 0,
    )
    return replace(
        comparison,
        arms=[baseline, *others],
        common=common,
        paired=verdicts.paired,
        family=len(verdicts.paired),
        standing=verdicts.standing,
        unrecorded=verdicts.unrecorded,
    )


def paired_differences(arm: Arm, baseline: Arm, metric: str, seeds: Sequence[int]) -> np.ndarray:
    """Differences arm minus baseline of the seeds given: (n,), stored unit."""
    ours, theirs = arm.scores(metric), baseline.scores(metric)
    return np.array([ours[seed] - theirs[seed] for seed in seeds])


def _common_seeds(arm: Arm, baseline: Arm) -> list[int]:
    return sorted(seed for seed in arm.runs if seed in baseline.runs)


def _margin(spec: ComparisonSpec, metric: str) -> float | None:
    margin = spec.margin if spec.margin is not None else unit_of(metric).margin
    if margin is not None and not 0 < margin < math.inf:
        raise UserError(
            f"margin must be > 0 and finite, in the unit of {metric} (0.01 is one point of accuracy), got {margin}"
        )
    return margin


def _listed(seeds: Mapping[str, set[int]]) -> dict[str, list[int]]:
    return {label: sorted(found) for label, found in seeds.items() if found}


def _failed_seeds(arm: Arm, missing: Iterable[Record]) -> set[int]:
    """Seeds whose run failed and has not been done elsewhere."""
    names = [record.name for record in missing if record.state == "failed"]
    failed = {name.unit for name in names if name.digest and arm.digest.startswith(name.digest)}
    return {unit for unit in failed if unit is not None and unit not in arm.runs}


def _still_to_do(arms: Sequence[Arm], missing: Sequence[Record]) -> int:
    """Count the runs that are planned, running or stopped, of these arms or of others on the same data and model."""
    results = [run.done_result for arm in arms for run in arm.runs.values()]
    settings = tuple({f"{result.data}-{result.model}-" for result in results})
    return sum(record.state in OPEN and record.name.setting.startswith(settings) for record in missing)


def _are_frozen(arms: Sequence[Arm]) -> bool:
    """Whether the seed decides nothing: all seeds of an arm have the same loss on both splits."""
    several = [arm for arm in arms if len(arm.runs) > 1]
    return bool(several) and all(_has_one_value(arm, name) for arm in several for name in ("val/loss", "test/loss"))


def _has_one_value(arm: Arm, metric: str) -> bool:
    values = {run.metrics.get(metric) for run in arm.runs.values()}
    return len(values) == 1 and None not in values


def _one_seed_of_each(arms: Sequence[Arm]) -> list[Arm]:
    """Keep one seed, the same in all arms where they share one."""
    shared = set[int].intersection(*({*arm.runs} for arm in arms))
    kept = [min(shared or arm.runs) for arm in arms]
    return [replace(arm, runs={seed: arm.runs[seed]}) for arm, seed in zip(arms, kept, strict=True)]
