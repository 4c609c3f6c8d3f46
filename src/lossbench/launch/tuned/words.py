"""What a fair fight says before it starts, and with plan=true instead of starting. Torch-free until it is timed."""

from collections.abc import Iterator
from typing import NamedTuple

from lossbench.launch.outlook.outlook import NOTHING_DONE, data_lines, decision
from lossbench.launch.outlook.way import Way
from lossbench.launch.tuned.fight import Fight
from lossbench.launch.tuned.outlook import (
    Kinds,
    Outlook,
    comparison_of,
    disk_line,
    outlook_of,
    refits_in,
    time_line,
)
from lossbench.report.formatting import numbers
from lossbench.tuning.dimension import Dimension


class Missing(NamedTuple):
    """What of a fair fight is still to be done.

    Args:
        replicates: in which nothing is chosen yet.
        trials: without a result, in these replicates.
    """

    replicates: int
    trials: int


def plan_lines(fight: Fight, kinds: Kinds, way: Way, missing: Missing) -> Iterator[str]:
    """Say what a command would do.

    Args:
        fight: the plan.
        kinds: one run of each row.
        way: how runs are brought to their results.
        missing: what is still to be done.
    """
    outlook = outlook_of(fight, kinds, way)
    yield _headline(fight)
    yield from data_lines(kinds.refits, fight.cache)
    yield from _space_lines(fight)
    yield from _costs(fight, outlook, missing)
    yield from decision(comparison_of(fight, kinds.refits[0], outlook.sizes), outlook.earlier)
    yield NOTHING_DONE


def start_lines(fight: Fight, kinds: Kinds, way: Way, missing: Missing) -> Iterator[str]:
    """Say what a start does and takes, and where it decides nothing or hardly anything."""
    from lossbench.launch.outlook.decide import outlook_of as decides  # scipy takes a second to import
    from lossbench.launch.outlook.decide import warning_of

    yield _headline(fight)
    if not missing.replicates:
        return
    yield from data_lines(kinds.refits, fight.cache)
    outlook = outlook_of(fight, kinds, way)
    yield next(_costs(fight, outlook, missing))
    comparison = comparison_of(fight, kinds.refits[0], outlook.sizes)
    if (warning := warning_of(comparison, decides(comparison, outlook.earlier))) is not None:
        yield warning


def _costs(fight: Fight, outlook: Outlook, missing: Missing) -> Iterator[str]:
    if not missing.replicates:
        yield "time: all settings are chosen already; only runs that are tested may be missing"
        return
    refits = refits_in(fight, missing.replicates)
    yield time_line(outlook, missing.trials, refits)
    yield disk_line(outlook, missing.trials, refits)


def _headline(fight: Fight) -> str:
    """Name the plan, for a pre-registration."""
    plan, rows = fight.plan, len(fight.plan.rows) - 1
    losses = len({row.loss for row in plan.rows})
    parts = f" in {rows} rows" if rows != losses else ""
    what = f"{losses} {'loss' if losses == 1 else 'losses'}{parts} and the baseline's twin"
    budget = f"{plan.trials} trials of {plan.steps:,} steps in each of {len(fight.replicates)} replicates"
    parent = f", after {plan.parent[:8]}" if plan.parent else ""
    return f"plan {plan.hash}{parent}: {what}, {budget} ({numbers(fight.replicates)})"


def _space_lines(fight: Fight) -> Iterator[str]:
    """What is searched: by all, and of each loss's own."""
    shared = fight.entries[0].row.space.shared
    yield f"searched by all: {', '.join(map(_range, shared)) or 'nothing'}"
    for entry in fight.entries:
        own = entry.row.space.own
        yield f"  {entry.row.name}{': ' if own else ''}{', '.join(map(_range, own))}"


def _range(dimension: Dimension) -> str:
    unit = f" of its limit {dimension.upper}" if dimension.upper else ""
    return f"{dimension.key} {dimension.low:g} to {dimension.high:g}{unit} ({dimension.scale})"
