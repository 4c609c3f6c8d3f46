"""The first table of a fair fight: verdicts of the tuned losses beside those at the defaults."""

from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.formatting import format_difference
from lossbench.report.tables import EMPTY, Table, words_cell
from lossbench.report.tuned.chosen import chosen_values, middle, shown
from lossbench.report.tuned.comparison import FairFight
from lossbench.report.verdict_numbers import numbers_of
from lossbench.report.verdict_table import (
    LOST,
    lost_cell,
    marked_verdict,
    score_cell,
    score_heading,
    verdict_cells,
    verdict_heading,
)

NARROW = "range too narrow"
AT_THE_DEFAULTS = "at the defaults"
FIELDS = ("n", "mean", "low", "high", "p_adjusted", "p_equivalent", "verdict", "qualifier")


def tuned_table(fight: FairFight) -> Table:
    """Make the table, a row a loss."""
    comparison, plan = fight.comparison, fight.plan
    judged = [*verdict_heading(comparison), f"{AT_THE_DEFAULTS}\ndifference"] if comparison.baseline else []
    columns = ["loss", *judged, score_heading(comparison), LOST, "chosen"]
    against = f", against {comparison.baseline.label}" if comparison.baseline else ""
    title = f"{comparison.metric} of every loss, tuned with {plan.trials} trials in each replicate{against}"
    rows = [_row(arm, fight) for arm in comparison.arms]
    return Table("verdict", title, columns, rows, [_numbers(arm, fight) for arm in comparison.arms])


def _row(arm: Arm, fight: FairFight) -> list[str]:
    comparison = fight.comparison
    judged = verdict_cells(arm, comparison)
    if judged:
        judged = [_with_range(judged[0], arm, fight), judged[1], _at_the_defaults(arm, fight)]
    scores = [score_cell(arm, comparison), lost_cell(arm, comparison), _chosen(arm, fight)]
    return [words_cell(arm.label), *judged, *scores]


def _with_range(verdict: str, arm: Arm, fight: FairFight) -> str:
    """The verdict; below it, whether the searched range was too narrow."""
    if arm.label not in fight.narrow:
        return verdict
    return f"{verdict}, {NARROW}" if "\n" in verdict else f"{verdict}\n{NARROW}"


def _at_the_defaults(arm: Arm, fight: FairFight) -> str:
    pair = fight.defaults.paired.get(arm.label)
    if pair is None or fight.comparison.provisional:
        return EMPTY
    difference = format_difference(pair.mean, fight.comparison.unit, signed=True, with_unit=False)
    word, _, _ = marked_verdict(pair).partition("\n")
    return f"{word}\n{difference}"


def _chosen(arm: Arm, fight: FairFight) -> str:
    """The first searched setting: its median and its range; the table of chosen settings has all."""
    row = fight.plan.row(arm.label)
    first = row.space.dimensions[0]
    values = [*chosen_values(fight.refits.tuned, row, first).values()]
    name = first.key.rpartition(".")[2]
    return f"{name} {shown(middle(values, first))}\n{shown(min(values))} to {shown(max(values))}"


def _numbers(arm: Arm, fight: FairFight) -> dict[str, Any]:
    numbers = numbers_of(arm, fight.findings)
    narrow = [edge.dimension.key for edge in fight.narrow.get(arm.label, ())]
    numbers |= {"trials": fight.plan.trials, "range_too_narrow": " ".join(narrow)}
    pair = fight.defaults.paired.get(arm.label)
    summary = fight.defaults.summaries.get(arm.label)
    numbers |= {} if summary is None else {"default_mean": summary.mean, "default_sd": summary.sd}
    return numbers if pair is None else numbers | {f"default_difference_{name}": getattr(pair, name) for name in FIELDS}
