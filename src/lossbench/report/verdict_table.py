"""The table of verdicts: scores, paired differences from the baseline, p-values."""

import math
from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import MARKS, format_advice, format_difference, format_p
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tables import EMPTY, Table, in_unit, interval_cell, number_cell, value_cell

COMPARED_CELLS, MORE_CELLS = 5, 4  # before and after the scores, of an arm compared with the baseline
SUMMARY_FIELDS = ("n", "mean", "sd", "low", "high", "median", "iqm")
PAIRED_FIELDS = (
    "n", "mean", "sd", "low", "high", "p", "p_adjusted", "p_equivalent", "effect_size", "look", "verdict",
)  # fmt: skip


def verdict_table(findings: Findings) -> Table:
    """Make the table of verdicts, a row an arm."""
    comparison = findings.comparison
    rows = [_row(arm, findings) for arm in comparison.arms]
    numbers = [_numbers(arm, findings) for arm in comparison.arms]
    paired = f", and paired by seed against {comparison.baseline.label}" if comparison.baseline else ""
    return Table("verdict", f"{comparison.metric} of every loss{paired}", _columns(comparison), rows, numbers)


def _columns(comparison: Comparison) -> list[str]:
    unit = comparison.unit
    scores = ["n seeds", f"mean ± sd{in_unit(unit.name)}", "95 % interval", "median", "IQM"]
    if comparison.baseline is None:
        return ["loss", *scores]
    turned = unit.difference if unit.higher_is_better else f"{unit.difference}, + is better".removeprefix(", ")
    compared = ["verdict", f"difference{in_unit(turned)}", "its 95 % interval", "p different", "p equivalent"]
    return ["loss", *compared, *scores, "uncorrected p", "effect d", "better in", "± from test set"]


def _row(arm: Arm, findings: Findings) -> list[str]:
    comparison = findings.comparison
    scores = _scores(arm, comparison)
    if comparison.baseline is None:
        return [arm.label, *scores]
    if arm is comparison.baseline:
        return [f"{arm.label} (baseline)", *[EMPTY] * COMPARED_CELLS, *scores, *[EMPTY] * MORE_CELLS]
    pair = comparison.paired.get(arm.label)
    if pair is None:
        return [arm.label, "no common seed", *[EMPTY] * (COMPARED_CELLS - 1), *scores, *[EMPTY] * MORE_CELLS]
    return [arm.label, *_compared(pair, arm, comparison), *scores, *_more(pair, arm, findings)]


def _scores(arm: Arm, comparison: Comparison) -> list[str]:
    summary, unit = comparison.summaries[arm.label], comparison.unit
    spread = "" if math.isnan(summary.sd) else f" ± {value_cell(summary.sd, unit)}"
    mean = f"{value_cell(summary.mean, unit)}{spread}"
    interval = interval_cell(summary.low, summary.high, unit)
    return [str(summary.n), mean, interval, value_cell(summary.median, unit), value_cell(summary.iqm, unit)]


def _compared(pair: PairedComparison, arm: Arm, comparison: Comparison) -> list[str]:
    unit = comparison.unit
    paired = f" (n = {pair.n})" if pair.n != comparison.summaries[arm.label].n else ""
    has_equivalence = not math.isnan(pair.p_equivalent) and pair.reachable
    return [
        _verdict(pair, comparison),
        f"{format_difference(pair.mean, unit, signed=True, with_unit=False)}{paired}",
        interval_cell(pair.low, pair.high, unit, signed=True),
        format_p(pair.p_adjusted),
        format_p(pair.p_equivalent) if has_equivalence else EMPTY,
    ]


def _verdict(pair: PairedComparison, comparison: Comparison) -> str:
    if comparison.provisional:
        return "not judged yet"
    more = (
        f" ({format_advice(pair.more).removesuffix(' would decide')})"
        if pair.more is not None and pair.more.kind == "units"
        else ""
    )
    return f"{MARKS[pair.verdict]} {pair.verdict}{more}"


def _more(pair: PairedComparison, arm: Arm, findings: Findings) -> list[str]:
    share, low, high = pair.better_in
    width = findings.measures[arm.label].difference_half_width
    return [
        format_p(pair.p),
        number_cell(pair.effect_size, 2),
        f"{share:.0%} ({low:.0%}-{high:.0%})",
        EMPTY if width is None else f"± {value_cell(width, findings.comparison.unit)}",
    ]


def _numbers(arm: Arm, findings: Findings) -> dict[str, Any]:
    comparison, measures = findings.comparison, findings.measures[arm.label]
    summary, pair = comparison.summaries[arm.label], comparison.paired.get(arm.label)
    numbers: dict[str, Any] = {"arm": arm.label, "loss": arm.loss, "hash": arm.digest, "metric": comparison.metric}
    numbers["baseline"] = arm is comparison.baseline
    numbers |= {name: getattr(summary, name) for name in SUMMARY_FIELDS}
    if pair is not None:
        numbers |= _paired_numbers(pair)
    numbers["run_half_width_95"] = measures.run_half_width
    numbers["difference_half_width_95"] = measures.difference_half_width
    return numbers


def _paired_numbers(pair: PairedComparison) -> dict[str, Any]:
    numbers = {f"difference_{name}": getattr(pair, name) for name in PAIRED_FIELDS}
    better_in, low, high = pair.better_in
    if pair.more is not None:
        numbers |= {"more": pair.more.kind, "more_low": pair.more.low, "more_high": pair.more.high}
    return numbers | {"better_in": better_in, "better_in_low": low, "better_in_high": high}
