"""The losses of a fair fight compared: tuned, at their defaults, and after every number of trials between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lossbench.errors import UserError, suggest
from lossbench.report.comparable import require_comparable
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.measures import measure_arms
from lossbench.report.pairing import Frame
from lossbench.report.scored import score_arms, with_verdicts
from lossbench.report.spec import ComparisonSpec
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tuned.curves import Curve, find_curves
from lossbench.report.tuned.edges import Edge, barred_words, narrow_edges
from lossbench.report.tuned.read_refits import read_refits
from lossbench.report.tuned.refits import Refits
from lossbench.tuning.budget import prefixes
from lossbench.tuning.plan import Plan
from lossbench.tuning.study import Tuned

DEFAULTS = 1  # trials after which what is declared is all that was tried


@dataclass(frozen=True)
class FairFight:
    """What a report of a fair fight is made from.

    Args:
        refits: of all rows, replicates and choices.
        findings: of what was chosen after all trials: the verdicts.
        defaults: of the declared defaults, the first trials: judged among themselves, without the twin, no look.
        curves: row -> scores of what was chosen after n trials.
        narrow: row -> ranges that were too narrow.
    """

    refits: Refits
    findings: Findings
    defaults: Comparison
    curves: Mapping[str, Curve]
    narrow: Mapping[str, Sequence[Edge]]

    @property
    def plan(self) -> Plan:
        """What was asked."""
        return self.refits.tuned.plan

    @property
    def comparison(self) -> Comparison:
        """Of what was chosen after all trials."""
        return self.findings.comparison

    @property
    def control(self) -> PairedComparison | None:
        """The twin against the baseline; None where the twin is of another row, or was not compared."""
        baseline = self.comparison.baseline
        if baseline is None or baseline.label != self.plan.baseline:
            return None
        return self.comparison.paired.get(self.comparison.twin)

    @property
    def control_failed(self) -> bool:
        """Whether the baseline was found better or worse than itself."""
        return self.control is not None and self.control.verdict in ("better", "worse")


def find_fair_fight(tuned: Tuned, spec: ComparisonSpec | None = None) -> FairFight:
    """Compare the losses of a fair fight; the look at them is recorded in the journal of its refits.

    Args:
        tuned: the plan and its winners.
        spec: the baseline, the metric and the margin; None is what the plan says.

    Raises:
        UserError: no refit is done, or the metric or the baseline does not exist.
    """
    refits = read_refits(tuned)
    require_comparable(refits.done)
    spec = spec or spec_of(tuned.plan)
    comparison = _tuned(refits, spec)
    measured = measure_arms(comparison)
    damaged = [*comparison.damaged, *measured.damaged]
    findings = Findings(comparison, measured.of_arm, measured.threshold, refits.missing, damaged)
    between = {n: _after(n, refits, spec, comparison) for n in prefixes(tuned.plan.trials)}
    curves = find_curves(refits, comparison, between)
    return FairFight(refits, findings, between[DEFAULTS], curves, narrow_edges(tuned))


def spec_of(
    plan: Plan, baseline: str | None = None, metric: str | None = None, margin: float | None = None
) -> ComparisonSpec:
    """What is compared: what is given, and else what the plan says.

    Raises:
        UserError: the baseline is no row, several rows, or the twin.
    """
    planned = plan.margin if metric in (None, plan.metric) else None
    name = plan.baseline if baseline is None else _row_name(plan, baseline)
    return ComparisonSpec(name, metric or plan.metric, planned if margin is None else margin)


def _row_name(plan: Plan, baseline: str) -> str:
    """The row of a name, or the only one of a loss."""
    names = [row.name for row in plan.rows if not row.is_twin]
    found = [row.name for row in plan.rows if row.loss == baseline and not row.is_twin]
    if baseline in names:
        return baseline
    if len(found) != 1:
        several = f"is {len(found)} rows here; name one: {', '.join(found)}"
        raise UserError(f"baseline={baseline} {several if found else f'does not exist; {suggest(baseline, names)}'}")
    return found[0]


def _tuned(refits: Refits, spec: ComparisonSpec) -> Comparison:
    plan = refits.tuned.plan
    arms = refits.arms_after(plan.trials)
    if not any(arm.runs for arm in arms):
        raise UserError(f"{refits.tuned.folder}: no refit of a setting chosen after {plan.trials} trials is done")
    comparison, outcomes = score_arms(arms, spec)
    lost = {row.name: refits.lost(row, plan.trials) for row in plan.rows}
    comparison = replace(
        comparison,
        unfinished={label: units for label, units in lost.items() if units},
        provisional=refits.to_do,
        twin=next((row.name for row in plan.rows if row.is_twin), ""),
    )
    baseline = comparison.baseline
    if baseline is None:
        return comparison
    barred = barred_words(plan, narrow_edges(refits.tuned), baseline.label)
    comparison = with_verdicts(replace(comparison, barred=barred), baseline, outcomes, Frame(plan=plan.hash))
    return replace(comparison, arms=sorted(comparison.arms, key=lambda arm: arm.label == comparison.twin))


def _after(n: int, refits: Refits, spec: ComparisonSpec, tuned: Comparison) -> Comparison:
    """Compare what was chosen after n trials: after all it is the verdict, else judged by itself, without the twin.

    It is corrected for as many looks as the verdict, so that it tells what tuning changes and not what looking does.
    """
    if n == refits.tuned.plan.trials:
        return tuned
    arms = [arm for arm in refits.arms_after(n) if arm.label != tuned.twin]
    label = tuned.baseline.label if tuned.baseline else spec.baseline
    comparison, outcomes = score_arms(arms, replace(spec, baseline=label, metric=tuned.metric))
    comparison = replace(comparison, provisional=refits.to_do)
    baseline = comparison.baseline
    if baseline is None:
        return comparison
    looks = {arm.digest: tuned.paired[arm.label].look for arm in arms if arm.label in tuned.paired}
    return with_verdicts(comparison, baseline, outcomes, Frame(is_look=False, looks=looks))
