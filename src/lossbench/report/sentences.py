"""The verdicts of a comparison in sentences, made from its numbers."""

import math

from lossbench.metrics.units import Unit
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.formatting import counted, format_advice, format_difference, format_mean, format_p
from lossbench.report.stats.verdict import PairedComparison


def headline(comparison: Comparison) -> str:
    """The outcome in one sentence."""
    baseline = comparison.baseline
    if baseline is None:
        best = comparison.arms[0]
        mean = format_mean(comparison.summaries[best.label], comparison.unit)
        return f"Best mean {comparison.metric}: {best.label}, {mean}. Without a baseline nothing is tested."
    if comparison.provisional:
        runs = counted(comparison.provisional, "run of this comparison is", "runs of this comparison are")
        return f"Not judged yet: {runs} still to be done."
    if not comparison.paired:
        return f"There is nothing to compare {baseline.label} with: add losses, or seeds that it shares with them."
    return _judged_headline(comparison, baseline)


def sentences(comparison: Comparison) -> list[str]:
    """One sentence for each arm but the baseline; none without a baseline."""
    baseline = comparison.baseline
    if baseline is None:
        return []
    return [_sentence(arm.label, comparison, baseline) for arm in comparison.others]


def _judged_headline(comparison: Comparison, baseline: Arm) -> str:
    verdicts = {label: pair.verdict for label, pair in comparison.paired.items()}
    better = [label for label, verdict in verdicts.items() if verdict == "better"]
    if better:
        return _advice(better, comparison, baseline)
    undecided = sum(verdict == "undecided" for verdict in verdicts.values())
    if not undecided:
        return f"Stay with {baseline.label}: no loss is better here, and every comparison is decided."
    return (
        f"Nothing is shown to be better than {baseline.label}: stay with it, or decide what is open "
        f"({undecided} of {len(verdicts)})."
    )


def _advice(better: list[str], comparison: Comparison, baseline: Arm) -> str:
    best = max(better, key=lambda label: comparison.paired[label].mean)
    others = [label for label in better if label != best]
    more = ""
    if others:
        are = f"{', '.join(others)} {'is' if len(others) == 1 else 'are'}"
        more = f" So {are} better too; they are compared with {baseline.label}, not with each other."
    pair = comparison.paired[best]
    but, difference = _below_margin(pair, comparison), _difference(pair, comparison.unit)
    return f"Train with {best}: it is better than {baseline.label} here{but}, {difference}.{more}"


def _sentence(label: str, comparison: Comparison, baseline: Arm) -> str:
    pair = comparison.paired.get(label)
    if pair is None:
        return f"{label} shares no seed with {baseline.label} and is not compared."
    difference = _difference(pair, comparison.unit)
    if comparison.provisional:
        return f"{label} against {baseline.label} so far: {difference}."
    if label in comparison.standing:
        n, look = comparison.standing[label]
        found = f"{label} was found {pair.verdict} than {baseline.label} at look {look} with {n} seeds"
        return f"{found}, which stands: {difference} now."
    if pair.verdict == "undecided":
        return f"{label} is undecided against {baseline.label}: {difference}; {_seeds_needed(pair)}."
    if pair.verdict == "equivalent":
        return f"{label} is equivalent to {baseline.label}, {_within_margin(pair, comparison)}: {difference}."
    but = _below_margin(pair, comparison)
    return f"{label} is {pair.verdict} than {baseline.label}{but}: {difference}, corrected p {_p(pair.p_adjusted)}."


def _below_margin(pair: PairedComparison, comparison: Comparison) -> str:
    if comparison.margin is None or abs(pair.mean) >= comparison.margin:
        return ""
    return f", by less than the margin of {format_difference(comparison.margin, comparison.unit)}"


def _within_margin(pair: PairedComparison, comparison: Comparison) -> str:
    assert comparison.margin is not None  # nothing is equivalent without one
    margin = format_difference(comparison.margin, comparison.unit)
    return f"within ±{margin} (corrected p {_p(pair.p_equivalent)})"


def _seeds_needed(pair: PairedComparison) -> str:
    if pair.n == 1:
        return "one seed tells nothing about others"
    return "one test example tells nothing about others" if pair.more is None else format_advice(pair.more)


def _difference(pair: PairedComparison, unit: Unit) -> str:
    mean = format_difference(pair.mean, unit, signed=True)
    seeds = f"n = {counted(pair.n, 'seed')}"
    if math.isnan(pair.low):
        return f"{mean} ({seeds})"
    low, high = (format_difference(value, unit, signed=True, with_unit=False) for value in (pair.low, pair.high))
    return f"{mean} (95 % interval {low} to {high}, {seeds})"


def _p(p: float) -> str:
    return format_p(p) if p < 0.001 else f"= {format_p(p)}"
