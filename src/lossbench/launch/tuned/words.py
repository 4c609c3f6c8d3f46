"""What a fair fight says before it starts, and with plan=true instead of starting. Torch-free until it is timed."""

from collections.abc import Iterator

from lossbench.launch.outlook.outlook import NOTHING_DONE, decision
from lossbench.launch.outlook.way import Way
from lossbench.launch.tuned.fight import Fight
from lossbench.launch.tuned.outlook import (
    Kinds,
    Outlook,
    comparison_of,
    disk_line,
    headline,
    outlook_of,
    refits_in,
    space_lines,
    time_line,
)


def plan_lines(fight: Fight, kinds: Kinds, way: Way, pending: int) -> Iterator[str]:
    """Say what a command would do.

    Args:
        fight: the plan.
        kinds: one run of each row.
        way: how runs are brought to their results.
        pending: replicates in which nothing is chosen yet.
    """
    outlook = outlook_of(fight, kinds, way)
    yield headline(fight)
    yield from space_lines(fight)
    yield from _costs(fight, outlook, pending)
    yield from decision(comparison_of(fight, kinds.refits[0], outlook.sizes), outlook.earlier)
    yield NOTHING_DONE


def start_lines(fight: Fight, kinds: Kinds, way: Way, pending: int) -> Iterator[str]:
    """Say what a start does and takes, and where it decides nothing or hardly anything."""
    from lossbench.launch.outlook.decide import outlook_of as decides  # scipy takes a second to import
    from lossbench.launch.outlook.decide import warning_of

    yield headline(fight)
    if not pending:
        return
    outlook = outlook_of(fight, kinds, way)
    yield next(_costs(fight, outlook, pending))
    comparison = comparison_of(fight, kinds.refits[0], outlook.sizes)
    if (warning := warning_of(comparison, decides(comparison, outlook.earlier))) is not None:
        yield warning


def _costs(fight: Fight, outlook: Outlook, pending: int) -> Iterator[str]:
    if not pending:
        yield "time: all settings are chosen already; only runs that are tested may be missing"
        return
    trials, refits = len(fight.entries) * fight.plan.trials * pending, refits_in(fight, pending)
    yield time_line(outlook, trials, refits)
    yield disk_line(outlook, trials, refits)
