"""What is said of losses at several doses, made from the numbers."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from lossbench.metrics.units import Unit
from lossbench.report.comparison import Comparison
from lossbench.report.doses.axis import Axis
from lossbench.report.doses.response import DoseResponse
from lossbench.report.formatting import counted, format_difference
from lossbench.report.sentences import MOST_NAMED, scope
from lossbench.report.stats.crossing import Crossing
from lossbench.report.stats.verdict import PairedComparison

TREND = {"better": "gains on", "worse": "loses ground to", "equivalent": "keeps its distance from"}
PLURAL = {"better": "gain on", "worse": "lose ground to"}


def headline(response: DoseResponse) -> str:
    """The outcome in a few sentences: what to train with at which doses, and whose lead changes with the dose."""
    first, baseline = response.first, response.baseline
    if baseline is None:
        return f"Without a baseline nothing is tested: {counted(len(response.lines), 'loss', 'losses')} without one."
    if first.provisional:
        runs = counted(first.provisional, "run of this comparison is", "runs of this comparison are")
        return f"Not judged yet: {runs} still to be done."
    if not any(found.paired for found in response.comparisons.values()):
        return (
            f"There is nothing to compare {baseline.label} with: add losses, or {first.kind}s that it shares with them."
        )
    where = scope(first)
    advice = "; ".join(_advice(response))
    return " ".join([f"{where[0].upper()}{where[1:]}: {advice}.", *_gains(response), *_about_split(response)])


def sentences(response: DoseResponse) -> list[str]:
    """What is said of each loss but the baseline; none without a baseline."""
    if response.baseline is None:
        return []
    return [_sentence(line.label, response) for line in response.others]


def lead_sentences(response: DoseResponse) -> list[str]:
    """What the picture of scores over doses shows: trends, and where lines cross."""
    if response.baseline is None or response.first.provisional:
        return []
    lines = [line.label for line in response.others]
    return [f"{label} {_trend(label, response)}; {_crossing(label, response)}." for label in lines[:MOST_NAMED]]


def doses(axis: Axis, values: Iterable[float]) -> str:
    """Some doses as they are typed: "images_per_class=5,10,all"."""
    return f"{axis.name}={','.join(map(axis.said, values))}"


def _advice(response: DoseResponse) -> Iterable[str]:
    """What to train with, doses in a row with the same advice together."""
    said = [(_advised(found), dose) for dose, found in response.comparisons.items()]
    for words, group in groupby(said, key=lambda each: each[0]):
        yield f"at {doses(response.axis, [dose for _, dose in group])} {words}"


def _advised(comparison: Comparison) -> str:
    pairs, baseline = comparison.paired, comparison.baseline
    if baseline is None or not pairs:
        return "nothing is compared"
    better = [label for label, pair in pairs.items() if pair.verdict == "better" and pair.qualifier is None]
    if better:
        return f"train with {max(better, key=lambda label: pairs[label].mean)}, which is better than {baseline.label}"
    if any(pair.verdict == "undecided" for pair in pairs.values()):
        return f"nothing is shown to be better than {baseline.label}"
    return f"stay with {baseline.label}: every comparison is decided, and no loss is better"


def _gains(response: DoseResponse) -> list[str]:
    """Losses whose difference from the baseline is shown to change by at least the margin, the largest change first."""
    assert response.baseline is not None
    shown = {label: pair for label, pair in response.trends.items() if pair.qualifier is None}
    most = sorted(shown, key=lambda label: -abs(shown[label].mean))
    clauses = [_clause(word, [label for label in most if shown[label].verdict == word]) for word in PLURAL]
    found = " and ".join(f"{clause} {response.baseline.label}" for clause in clauses if clause)
    return [f"As {response.axis.name} grows, {found}."] if found else []


def _clause(word: str, labels: Sequence[str]) -> str:
    """Which losses gain or lose: "mae_prob and power gain on"; empty where none does."""
    if not labels:
        return ""
    more = [f"{len(labels) - MOST_NAMED} more"] if len(labels) > MOST_NAMED else []
    named = [*labels[:MOST_NAMED], *more]
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    return f"{listed} {(TREND if len(named) == 1 else PLURAL)[word]}"


def _about_split(response: DoseResponse) -> list[str]:
    if response.first.kind == "replicate":
        return []
    return ["Seeds do not vary the split, so this is about this one split alone: replicate= in place of seed= does."]


def _sentence(label: str, response: DoseResponse) -> str:
    assert response.baseline is not None
    pairs = response.pairs(label)
    if not pairs:
        return f"{label} shares no {response.first.kind} with {response.baseline.label} and is not compared."
    start = f"{label} against {response.baseline.label}"
    if response.first.provisional:
        return f"{start} so far: {_differences(pairs, response)}."
    found: dict[str, dict[float, PairedComparison]] = {}
    for dose, pair in pairs.items():
        found.setdefault(_word(pair), {})[dose] = pair
    words = "; ".join(
        f"{word} at {doses(response.axis, at)} ({_differences(at, response)})" for word, at in found.items()
    )
    return f"{start}: {words}. It {_trend(label, response)}; {_crossing(label, response)}."


def _word(pair: PairedComparison) -> str:
    if pair.qualifier is None or pair.qualifier.endswith(pair.verdict):
        return pair.qualifier or pair.verdict
    return f"{pair.verdict}, {pair.qualifier}"


def _differences(pairs: dict[float, PairedComparison], response: DoseResponse) -> str:
    unit = response.first.unit
    means = [format_difference(pair.mean, unit, signed=True, with_unit=False) for pair in pairs.values()]
    return f"{', '.join(means)} {unit.difference}".rstrip()


def _trend(label: str, response: DoseResponse) -> str:
    """How the difference from the baseline changes, after the name of the loss."""
    assert response.baseline is not None
    name, axis = response.baseline.label, response.axis
    pair = response.trends.get(label)
    if pair is None:
        return f"has no trend, since {response.untold.get(label, 'nothing was compared')}"
    ends = [axis.said(dose) for dose in (min(response.places), max(response.places))]
    change = f"{_with_interval(pair, response.first.unit)} from {axis.name}={ends[0]} to {ends[1]}"
    if label in response.standing:
        n, look = response.standing[label]
        with_units = counted(n, response.first.kind)
        return (
            f"was found to {PLURAL[pair.verdict]} {name} at look {look} with {with_units}, which stands: {change} now"
        )
    if pair.verdict == "undecided":
        return f"is not shown to gain or lose against {name} over the doses ({change})"
    return f"{TREND[pair.verdict]} {name} ({change})"


def _with_interval(pair: PairedComparison, unit: Unit) -> str:
    mean = format_difference(pair.mean, unit, signed=True)
    if math.isnan(pair.low):
        return mean
    low, high = (format_difference(end, unit, signed=True, with_unit=False) for end in (pair.low, pair.high))
    return f"{mean}, 95 % interval {low} to {high}"


def _crossing(label: str, response: DoseResponse) -> str:
    """Where the loss crosses the baseline, or that it does not, and whether that is shown."""
    assert response.baseline is not None
    name, found = response.baseline.label, response.crossings.get(label, ())
    sides = [side(pair) for pair in response.pairs(label).values()]
    if found and {1, -1} <= {*sides}:
        return f"it crosses {name} at about {_places(found, response)}"
    if found:
        return f"its mean crosses that of {name} at about {_places(found, response)}, which may be chance"
    if sides and abs(sum(sides)) == len(response.places):
        return f"it does not cross {name}"
    return f"its mean does not cross that of {name}, but other runs' may"


def side(pair: PairedComparison) -> int:
    """1 where a loss was found (slightly) better, -1 where worse, 0 where neither."""
    word = (pair.qualifier or pair.verdict).removeprefix("slightly ")
    return {"better": 1, "worse": -1}.get(word, 0)


def _places(found: Sequence[Crossing], response: DoseResponse) -> str:
    return " and ".join(crossing_words(each, response) for each in found)


def crossing_words(found: Crossing, response: DoseResponse) -> str:
    """A place with its interval: "12 (95 % interval 8 to 17)"."""
    return f"{response.axis.name}={found.at:.3g} ({_interval(found)})"


def _interval(found: Crossing) -> str:
    low, high = f"{found.low:.3g}", f"{found.high:.3g}"
    if math.isinf(found.low) and math.isinf(found.high):
        return "its 95 % interval holds all doses"
    if math.isinf(found.low):
        return f"95 % interval up to {high}"
    return f"95 % interval from {low}" if math.isinf(found.high) else f"95 % interval {low} to {high}"
