"""The verdicts of a comparison in sentences, made from its numbers."""

import math
from collections.abc import Sequence

from lossbench.metrics.units import Unit
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.formatting import counted, format_advice, format_difference, format_mean, format_p
from lossbench.report.stats.verdict import PairedComparison

MOST_NAMED = 3  # arms that diverged or collapsed, in the headline


def headline(comparison: Comparison) -> str:
    """The outcome in a few sentences: what to train with, what that is true of, and which runs diverged."""
    baseline = comparison.baseline
    if baseline is None:
        best = comparison.arms[0]
        mean = format_mean(comparison.summaries[best.label], comparison.unit, comparison.kind)
        return f"Best mean {comparison.metric}: {best.label}, {mean}. Without a baseline nothing is tested."
    if comparison.provisional:
        runs = counted(comparison.provisional, "run of this comparison is", "runs of this comparison are")
        return f"Not judged yet: {runs} still to be done."
    if not comparison.paired:
        kind = comparison.kind
        return f"There is nothing to compare {baseline.label} with: add losses, or {kind}s that it shares with them."
    parts = [_judged(comparison, baseline), *_lost(comparison), *_about_split(comparison)]
    return " ".join(parts)


def sentences(comparison: Comparison) -> list[str]:
    """One sentence for each arm but the baseline; none without a baseline."""
    baseline = comparison.baseline
    if baseline is None:
        return []
    return [_sentence(arm.label, comparison, baseline) for arm in comparison.others]


def scope(comparison: Comparison) -> str:
    """What the verdicts are true of, in words."""
    if comparison.kind == "seed":
        return "on this split"
    if comparison.design == "published" and comparison.without_examples:
        return "on this test set"
    return "on new data of this kind"


def lost_runs(label: str, comparison: Comparison) -> str:
    """How many runs of an arm diverged or collapsed: "diverged in 4 of 12 runs"; empty where none did."""
    n = len(comparison.scores[label])
    counts = {
        "diverged": len(comparison.diverged.get(label, ())),
        "collapsed": len(comparison.collapsed.get(label, ())),
    }
    return " and ".join(f"{word} in {count} of {counted(n, 'run')}" for word, count in counts.items() if count)


def _judged(comparison: Comparison, baseline: Arm) -> str:
    pairs = comparison.rivals
    better = [label for label, pair in pairs.items() if pair.verdict == "better" and pair.qualifier is None]
    if better:
        return _advice(better, comparison, baseline)
    slightly = _slightly_better(comparison, baseline)
    undecided = sum(pair.verdict == "undecided" for pair in pairs.values())
    where = scope(comparison)
    if not undecided:
        by = _by_more_than_the_margin(comparison) if slightly else ""
        return f"Stay with {baseline.label}: no loss is better {where}{by}, and every comparison is decided.{slightly}"
    return (
        f"Nothing is shown to be better than {baseline.label} {where}: stay with it, or decide what is open "
        f"({undecided} of {len(pairs)}).{slightly}"
    )


def _slightly_better(comparison: Comparison, baseline: Arm) -> str:
    labels = [label for label, pair in comparison.rivals.items() if pair.qualifier == "slightly better"]
    if not labels:
        return ""
    assert comparison.margin is not None  # nothing is slight without one
    margin = format_difference(comparison.margin, comparison.unit)
    return f" {_are(labels)} slightly better than {baseline.label}, by less than the margin of {margin}."


def _by_more_than_the_margin(comparison: Comparison) -> str:
    assert comparison.margin is not None
    return f" by more than the margin of {format_difference(comparison.margin, comparison.unit)}"


def _advice(better: list[str], comparison: Comparison, baseline: Arm) -> str:
    best = max(better, key=lambda label: comparison.paired[label].mean)
    others = [label for label in better if label != best]
    more = ""
    if others:
        more = f" So {_are(others)} better too; they are compared with {baseline.label}, not with each other."
    difference = _difference(comparison.paired[best], comparison)
    return f"Train with {best}: it is better than {baseline.label} {scope(comparison)}, {difference}.{more}"


def _are(labels: Sequence[str]) -> str:
    return f"{', '.join(labels)} {'is' if len(labels) == 1 else 'are'}"


def _lost(comparison: Comparison) -> list[str]:
    """Which arms diverged or collapsed, those with most such runs first."""
    words = {arm.label: lost_runs(arm.label, comparison) for arm in comparison.arms}
    counts = {label: _count_lost(label, comparison) for label, said in words.items() if said}
    most = sorted(counts, key=lambda label: -counts[label])
    named = [f"{label} {words[label]}." for label in most[:MOST_NAMED]]
    more = len(most) - MOST_NAMED
    return [*named, f"So did runs of {counted(more, 'other')}."] if more > 0 else named


def _count_lost(label: str, comparison: Comparison) -> int:
    return len(comparison.diverged.get(label, ())) + len(comparison.collapsed.get(label, ()))


def _about_split(comparison: Comparison) -> list[str]:
    """What a verdict over seeds is about."""
    if comparison.kind == "replicate":
        return []
    n = max(pair.n for pair in comparison.paired.values())
    return [
        "Seeds do not vary the split, so this is about this one split alone: "
        f"replicate='range({n})' in place of seed= asks about new data of this kind."
    ]


def _sentence(label: str, comparison: Comparison, baseline: Arm) -> str:
    pair = comparison.paired.get(label)
    if pair is None:
        return f"{label} shares no {comparison.kind} with {baseline.label} and is not compared."
    difference = _difference(pair, comparison)
    if comparison.provisional:
        return f"{label} against {baseline.label} so far: {difference}."
    lost = lost_runs(label, comparison)
    return f"{_finding(label, pair, difference, comparison, baseline)}{f'; it {lost}' if lost else ''}."


def _finding(label: str, pair: PairedComparison, difference: str, comparison: Comparison, baseline: Arm) -> str:
    name = baseline.label
    if label in comparison.standing:
        n, look = comparison.standing[label]
        with_units = counted(n, comparison.kind)
        found = f"{label} was found {pair.qualifier or pair.verdict} than {name} at look {look} with {with_units}"
        return f"{found}, which stands: {difference} now"
    if pair.verdict == "undecided":
        return f"{label} is undecided against {name}: {difference}; {_needed(label, pair, comparison)}"
    if pair.verdict == "equivalent":
        also = f", {pair.qualifier}" if pair.qualifier else ""
        within = _within_margin(pair, comparison)
        return f"{label} is equivalent to {name}{also}, {within}: {difference}; {_bound(pair, comparison)}"
    if pair.qualifier:
        assert comparison.margin is not None
        margin = format_difference(comparison.margin, comparison.unit)
        slight = f"{label} is {pair.qualifier} than {name}: {difference}, less than the margin of {margin}"
        return f"{slight}, corrected p {_p(pair.p_adjusted)}"
    return f"{label} is {pair.verdict} than {name}: {difference}, corrected p {_p(pair.p_adjusted)}"


def _within_margin(pair: PairedComparison, comparison: Comparison) -> str:
    assert comparison.margin is not None  # nothing is equivalent without one
    margin = format_difference(comparison.margin, comparison.unit)
    return f"within ±{margin} (corrected p {_p(pair.p_equivalent)})"


def _bound(pair: PairedComparison, comparison: Comparison) -> str:
    """What so many runs can say of rare collapses."""
    return f"{pair.collapsed} of {counted(pair.n, 'run')} collapsed, up to {100 * pair.collapse_bound:.0f} % may"


def _needed(label: str, pair: PairedComparison, comparison: Comparison) -> str:
    kind = comparison.kind
    if pair.reachable and pair.more is None and comparison.barred.get(label):
        return f"a range that was searched was too narrow to call it {'better' if pair.mean > 0 else 'worse'}"
    if pair.n == 1:
        return f"one {kind} tells nothing about others"
    if pair.more is None:
        return f"with {counted(pair.n, kind)} nothing is decided"
    return format_advice(pair.more, kind)


def _difference(pair: PairedComparison, comparison: Comparison) -> str:
    unit = comparison.unit
    mean, units = format_difference(pair.mean, unit, signed=True), f"n = {counted(pair.n, comparison.kind)}"
    if math.isnan(pair.low):
        return f"{mean} ({units})"
    return f"{mean} (95 % interval {_end(pair.low, unit)} to {_end(pair.high, unit)}, {units})"


def _end(value: float, unit: Unit) -> str:
    return format_difference(value, unit, signed=True, with_unit=False)


def _p(p: float) -> str:
    return format_p(p) if p < 0.001 else f"= {format_p(p)}"
