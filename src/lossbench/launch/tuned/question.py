"""The plan of a command, and the plans that its study holds already. Torch-free."""

from collections.abc import Sequence
from dataclasses import replace

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, some
from lossbench.launch.tuned.asked import Asked
from lossbench.launch.tuned.drafts import shared_of
from lossbench.launch.tuned.jobs import Entry
from lossbench.metrics.units import unit_of
from lossbench.report.spec import ComparisonSpec
from lossbench.tuning.changes import changes
from lossbench.tuning.plan import Plan
from lossbench.tuning.study import read_tuned

OWN_FORMULA = "val/loss"


def plan_of(
    asked: Asked, entries: Sequence[Entry], baseline: Entry, config: RunConfig, steps: int, spec: ComparisonSpec
) -> Plan:
    """Write a question down.

    Args:
        asked: what the command asks.
        entries: the rows.
        baseline: one of them.
        config: of a row, with the settings as declared.
        steps: of each run.
        spec: metric and margin.

    Raises:
        UserError: the metric is of the split that chooses, or each loss would choose by a formula of its own.
    """
    if config.monitor == OWN_FORMULA:
        raise UserError(
            f"monitor={OWN_FORMULA} is another formula for each loss, and for each value of its own numbers: settings "
            "are chosen by a metric that all share; leave monitor out, or give one such as val/accuracy"
        )
    metric = spec.metric or config.monitor.replace("val/", "test/", 1)
    if not metric.startswith("test/"):
        raise UserError(
            f"hydra.sweeper.metric={metric} is of the split that chooses the settings, which flatters the chosen ones; "
            f"give one of the test split, such as {metric.replace('val/', 'test/', 1)}"
        )
    margin = spec.margin if spec.margin is not None else unit_of(metric).margin
    searched = [each.key for each in entries[0].row.space.shared]
    return Plan(
        rows=tuple(entry.row for entry in entries),
        baseline=baseline.row.name,
        metric=metric,
        monitor=config.monitor,
        margin=None if margin is None else float(margin),
        trials=asked.trials,
        steps=steps,
        shared=shared_of(config, searched),
        data=config.data.name,
        model=config.model.name,
        replicates=asked.replicates,
        parent=None,
        budget=asked.budget,
    )


def plans_beside(plan: Plan, asked: Asked) -> list[Plan]:
    """The plans of a study about the same data and model."""
    known = [each.plan for each in read_tuned(asked.folder)]
    return [each for each in known if (each.data, each.model) == (plan.data, plan.model)]


def of_budget(plan: Plan, known: Sequence[Plan]) -> Plan | None:
    """The plan of the same question that was made for the same budget; None where there is none."""
    same = [each for each in known if each.budget == plan.budget and each.question == _at(plan, each).question]
    return same[0] if same else None


def _at(plan: Plan, other: Plan) -> Plan:
    return replace(plan, trials=other.trials)


def settled(plan: Plan, known: Sequence[Plan], parent: str | None) -> Plan:
    """Give the plan that the study holds already, or the new one with its parent.

    Args:
        plan: of the command.
        known: plans of the study about the same data and model.
        parent: first digits of the hash of the one that another question continues.

    Raises:
        UserError: the question is another one, and names no parent; or there is no such parent.
    """
    same = [each for each in known if each.hash == plan.hash]
    if same:
        return same[0]
    if parent is not None:
        return replace(plan, parent=_parent(known, parent))
    if known:
        raise UserError(_other_question(plan, known))
    return plan


def _parent(known: Sequence[Plan], parent: str) -> str:
    found = [each.hash for each in known if each.hash.startswith(parent)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(each.hash[:8] for each in known) or "none"
    raise UserError(f"parent={parent} is no plan of this study about these data and this model; Available: {there}")


def _other_question(plan: Plan, known: Sequence[Plan]) -> str:
    """What tells a question from the most similar one that the study holds."""
    found = {each.hash[:8]: changes(plan, each) for each in known}
    nearest = min(found, key=lambda digits: len(found[digits]))
    return (
        f"this study holds the plan {nearest}, and this command asks something else ({some(found[nearest], 4)}); "
        f"parent={nearest} asks it as a further look at the same losses, study=NAME in a study of its own"
    )
