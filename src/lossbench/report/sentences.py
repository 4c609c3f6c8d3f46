"""The answer in sentences, made from its numbers."""

import math
from collections.abc import Sequence

from lossbench.metrics.units import Unit
from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.stats.verdict import Comparison

MARKS = {"better": "▲", "worse": "▼", "equivalent": "■", "undecided": "○"}


def amount(value: float, unit: Unit, *, signed: bool = False, with_unit: bool = True) -> str:
    """Word a difference or a width: "+1.20 points"; "n/a" where it is not known."""
    if math.isnan(value):
        return "n/a"
    text = f"{unit.factor * value:{'+' if signed else ''}.{unit.digits}f}"
    return f"{text} {unit.difference}".rstrip() if with_unit else text


def score(value: float, unit: Unit) -> str:
    """Word a score: "97.83 %"."""
    return "n/a" if math.isnan(value) else f"{unit.factor * value:.{unit.digits}f} {unit.name}".rstrip()


def headline(answer: Answer) -> str:
    """The answer in one sentence."""
    baseline = answer.baseline
    if baseline is None:
        best = answer.arms[0]
        return (
            f"Best mean {answer.metric}: {best.label}, {_scored(answer, best)}. Without a baseline nothing is tested."
        )
    if answer.provisional:
        runs = "run of this comparison is" if answer.provisional == 1 else "runs of this comparison are"
        return f"Not judged yet: {answer.provisional} {runs} still to be done."
    if not answer.comparisons:
        return f"There is nothing to compare {baseline.label} with: add losses, or seeds that it shares with them."
    words = {label: comparison.verdict for label, comparison in answer.comparisons.items()}
    better = [label for label, word in words.items() if word == "better"]
    if better:
        best = max(better, key=lambda label: answer.comparisons[label].mean)
        more = (
            f" So {_are(better, best)} better too; they are compared with {baseline.label}, not with each other."
            if better[1:]
            else ""
        )
        but = _below_margin(answer.comparisons[best], answer)
        difference = _difference(answer.comparisons[best], answer.unit)
        return f"Train with {best}: it is better than {baseline.label} here{but}, {difference}.{more}"
    open_ = [label for label, word in words.items() if word == "undecided"]
    if not open_:
        return f"Stay with {baseline.label}: no loss is better here, and every comparison is decided."
    return f"Nothing is shown to be better than {baseline.label}: stay with it, or decide what is open ({len(open_)} of {len(words)})."


def sentences(answer: Answer) -> list[str]:
    """One sentence for each comparison."""
    said = []
    for arm in answer.others:
        comparison = answer.comparisons.get(arm.label)
        if comparison is None and answer.baseline is not None:
            said.append(f"{arm.label} shares no seed with {answer.baseline.label} and is not compared.")
        elif comparison is not None:
            said.append(_sentence(arm.label, comparison, answer))
    return said


def _sentence(label: str, comparison: Comparison, answer: Answer) -> str:
    unit, margin, baseline = answer.unit, answer.margin, answer.baseline
    assert baseline is not None
    difference = _difference(comparison, unit)
    if answer.provisional:
        return f"{label} against {baseline.label} so far: {difference}."
    if label in answer.standing:
        n, look = answer.standing[label]
        seeds = f"look {look} with {n} seeds"
        return (
            f"{label} was found {comparison.verdict} than {baseline.label} at {seeds}, which stands: {difference} now."
        )
    if comparison.verdict in ("better", "worse"):
        but = _below_margin(comparison, answer)
        return f"{label} is {comparison.verdict} than {baseline.label}{but}: {difference}, corrected p {_p(comparison.p_adjusted)}."
    if comparison.verdict == "equivalent":
        assert margin is not None
        within = f"within ±{amount(margin, unit)} (corrected p {_p(comparison.p_equivalent)})"
        return f"{label} is equivalent to {baseline.label}, {within}: {difference}."
    return f"{label} is undecided against {baseline.label}: {difference}; {_more(comparison)}."


def _below_margin(comparison: Comparison, answer: Answer) -> str:
    if answer.margin is None or abs(comparison.mean) >= answer.margin:
        return ""
    return f", by less than the margin of {amount(answer.margin, answer.unit)}"


def _more(comparison: Comparison) -> str:
    if comparison.n == 1:
        return "one seed tells nothing about others"
    if comparison.more_seeds is None:
        return "more than 1,000 further seeds would be needed to decide"
    return f"about {comparison.more_seeds} more {'seed' if comparison.more_seeds == 1 else 'seeds'} would decide"


def _difference(comparison: Comparison, unit: Unit) -> str:
    mean = amount(comparison.mean, unit, signed=True)
    seeds = f"n = {comparison.n} {'seed' if comparison.n == 1 else 'seeds'}"
    if math.isnan(comparison.low):
        return f"{mean} ({seeds})"
    low, high = (amount(value, unit, signed=True, with_unit=False) for value in (comparison.low, comparison.high))
    return f"{mean} (95 % interval {low} to {high}, {seeds})"


def p_value(p: float) -> str:
    """Word a p-value."""
    return "n/a" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _p(p: float) -> str:
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def _scored(answer: Answer, arm: Arm) -> str:
    summary, unit = answer.summaries[arm.label], answer.unit
    if math.isnan(summary.low):
        return f"{score(summary.mean, unit)} (n = 1 seed)"
    return f"{score(summary.mean, unit)} (95 % interval {score(summary.low, unit)} to {score(summary.high, unit)}, n = {summary.n} seeds)"


def _are(better: Sequence[str], best: str) -> str:
    others = [label for label in better if label != best]
    return f"{', '.join(others)} {'is' if len(others) == 1 else 'are'}"
