"""The numbers of an arm and of its comparison for programs: unrounded, in stored units."""

from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.findings import Findings
from lossbench.report.stats.verdict import PairedComparison

SUMMARY_FIELDS = ("n", "mean", "sd", "low", "high", "median", "iqm")
PAIRED_FIELDS = (
    "n", "mean", "sd", "se", "df", "low", "high", "p", "p_adjusted", "p_equivalent", "p_sign_flip", "effect_size",
    "look", "verdict", "qualifier", "var_examples", "var_units", "collapsed", "collapse_bound",
)  # fmt: skip


def numbers_of(arm: Arm, findings: Findings) -> dict[str, Any]:
    """Give a row of verdict.csv."""
    comparison, measures = findings.comparison, findings.measures[arm.label]
    summary, pair = comparison.summaries[arm.label], comparison.paired.get(arm.label)
    numbers: dict[str, Any] = {"arm": arm.label, "loss": arm.loss, "hash": arm.digest, "metric": comparison.metric}
    numbers["baseline"] = comparison.is_baseline(arm)
    numbers |= {name: getattr(summary, name) for name in SUMMARY_FIELDS}
    if pair is not None:
        numbers |= paired_numbers(pair)
    numbers["run_half_width_95"] = measures.run_half_width
    numbers["difference_half_width_95"] = measures.difference_half_width
    return numbers


def paired_numbers(pair: PairedComparison) -> dict[str, Any]:
    """Give the numbers of a difference, whose names begin with difference_."""
    numbers = {f"difference_{name}": getattr(pair, name) for name in PAIRED_FIELDS}
    better_in, low, high = pair.better_in
    if pair.nadeau_bengio is not None:
        numbers |= dict(zip(("nadeau_bengio_low", "nadeau_bengio_high"), pair.nadeau_bengio, strict=True))
    if pair.more is not None:
        numbers |= {"more": pair.more.kind, "more_low": pair.more.low, "more_high": pair.more.high}
    return numbers | {"better_in": better_in, "better_in_low": low, "better_in_high": high}
