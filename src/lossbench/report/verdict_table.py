"""The first table of a report: what a reader needs of each loss in six columns, and all its numbers for programs."""

import math
from collections.abc import Mapping
from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import MARKS, format_difference
from lossbench.report.settings import describe_settings
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tables import EMPTY, Table, cut, in_unit, interval_cell, value_cell, words_cell
from lossbench.report.verdict_numbers import numbers_of

LOST = "diverged\nor collapsed"
LONGEST_SETTING = 60
NO_SETTINGS = ("loss.name", "loss._target_")


def verdict_table(findings: Findings) -> Table:
    """Make the table of verdicts, a row an arm."""
    comparison = findings.comparison
    rows = [_row(arm, comparison) for arm in comparison.arms]
    numbers = [numbers_of(arm, findings) for arm in comparison.arms]
    paired = f", and paired by {comparison.kind} against {comparison.baseline.label}" if comparison.baseline else ""
    return Table("verdict", f"{comparison.metric} of every loss{paired}", _columns(comparison), rows, numbers)


def difference_heading(comparison: Comparison) -> str:
    """The heading of differences: their unit, and how they are turned."""
    unit = comparison.unit
    turned = unit.difference if unit.higher_is_better else f"{unit.difference}, + is better".removeprefix(", ")
    return f"difference{in_unit(turned)}"


def verdict_heading(comparison: Comparison) -> list[str]:
    """The headings of verdict and difference; none without a baseline."""
    if comparison.baseline is None:
        return []
    return ["verdict", f"{difference_heading(comparison)}\n95 % interval"]


def score_heading(comparison: Comparison) -> str:
    """The heading of scores."""
    return f"score{in_unit(comparison.unit.name)}\nmean ± sd"


def _columns(comparison: Comparison) -> list[str]:
    return ["loss", *verdict_heading(comparison), score_heading(comparison), LOST, "setting"]


def _row(arm: Arm, comparison: Comparison) -> list[str]:
    scores = [score_cell(arm, comparison), lost_cell(arm, comparison), _own_setting(arm)]
    return [words_cell(arm.label), *verdict_cells(arm, comparison), *scores]


def verdict_cells(arm: Arm, comparison: Comparison) -> list[str]:
    """The verdict, and the difference with its interval; none without a baseline."""
    if comparison.baseline is None:
        return []
    if comparison.is_baseline(arm):
        return ["baseline", EMPTY]
    pair = comparison.paired.get(arm.label)
    if pair is None:
        return [f"no common {comparison.kind}", EMPTY]
    return [_verdict(pair, comparison), difference_cell(pair, arm, comparison)]


def score_cell(arm: Arm, comparison: Comparison) -> str:
    """The mean score with its standard deviation."""
    summary, unit = comparison.summaries[arm.label], comparison.unit
    spread = "" if math.isnan(summary.sd) else f" ± {value_cell(summary.sd, unit)}"
    return f"{value_cell(summary.mean, unit)}{spread}"


def difference_cell(pair: PairedComparison, arm: Arm, comparison: Comparison) -> str:
    """The difference from the baseline, with its interval below; n where the two share fewer seeds than the arm has."""
    unit = comparison.unit
    interval = [] if math.isnan(pair.low) else [interval_cell(pair.low, pair.high, unit, signed=True)]
    fewer = [f"n = {pair.n}"] if pair.n != comparison.summaries[arm.label].n else []
    mean = format_difference(pair.mean, unit, signed=True, with_unit=False)
    return "\n".join(filter(None, (mean, ", ".join([*interval, *fewer]))))


def _verdict(pair: PairedComparison, comparison: Comparison) -> str:
    if comparison.provisional:
        return "not judged yet"
    return marked_verdict(pair)


def marked_verdict(pair: PairedComparison) -> str:
    """The word with its mark; where equivalent losses differ slightly, that is below it."""
    if pair.qualifier and pair.qualifier.endswith(pair.verdict):
        return f"{MARKS[pair.verdict]} {pair.qualifier}"
    return "\n".join(filter(None, (f"{MARKS[pair.verdict]} {pair.verdict}", pair.qualifier)))


def lost_cell(arm: Arm, comparison: Comparison) -> str:
    """How many of the arm's runs diverged, collapsed, or are missing for another reason."""
    kinds = {"diverged": comparison.diverged, "collapsed": comparison.collapsed, "missing": comparison.unfinished}
    found = {word: units.get(arm.label, ()) for word, units in kinds.items()}
    total = len({*arm.runs}.union(*found.values()))
    return ", ".join(f"{len(units)} of {total} {word}" for word, units in found.items() if units) or EMPTY


def _own_setting(arm: Arm) -> str:
    """The loss's own numbers that the label does not name; those that are the same in all arms too."""
    own = {name: value for name, value in arm.params.items() if _is_own(name, value) and name not in arm.settings}
    return cut(words_cell(describe_settings(own)), LONGEST_SETTING)


def _is_own(name: str, value: Any) -> bool:
    return name.startswith("loss.") and name not in NO_SETTINGS and value is not None and not isinstance(value, Mapping)
