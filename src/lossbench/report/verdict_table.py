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


def _columns(comparison: Comparison) -> list[str]:
    score = f"score{in_unit(comparison.unit.name)}\nmean ± sd"
    if comparison.baseline is None:
        return ["loss", score, LOST, "setting"]
    return ["loss", "verdict", f"{difference_heading(comparison)}\n95 % interval", score, LOST, "setting"]


def _row(arm: Arm, comparison: Comparison) -> list[str]:
    label = words_cell(arm.label)
    scores = [score_cell(arm, comparison), _lost(arm, comparison), _own_setting(arm)]
    if comparison.baseline is None:
        return [label, *scores]
    if arm is comparison.baseline:
        return [label, "baseline", EMPTY, *scores]
    pair = comparison.paired.get(arm.label)
    if pair is None:
        return [label, f"no common {comparison.kind}", EMPTY, *scores]
    return [label, _verdict(pair, comparison), difference_cell(pair, arm, comparison), *scores]


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
    if pair.qualifier and pair.qualifier.endswith(pair.verdict):
        return f"{MARKS[pair.verdict]} {pair.qualifier}"
    return "\n".join(filter(None, (f"{MARKS[pair.verdict]} {pair.verdict}", pair.qualifier)))


def _lost(arm: Arm, comparison: Comparison) -> str:
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
