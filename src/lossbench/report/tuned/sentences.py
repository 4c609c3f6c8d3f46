"""What a fair fight found, in sentences: tuned, at the defaults, and after every number of trials between."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lossbench.report import sentences as plain
from lossbench.report.formatting import counted, format_difference
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tuned.comparison import DEFAULTS, FairFight
from lossbench.report.tuned.curves import APART, After, Curve, Phase, Side, phases

UNKNOWN: Side = "not told apart from"
MOST_NAMED = 3  # losses whose verdict at the defaults is another one


def headline(fight: FairFight) -> str:
    """The answer: what to train with, by how much, how sure, and what it looked like at the defaults."""
    answer = plain.headline(fight.comparison)
    if fight.comparison.provisional or not fight.comparison.paired:
        return answer
    return " ".join([*_failed_control(fight), answer, _tuned(fight), *_at_the_defaults(fight)])


def _tuned(fight: FairFight) -> str:
    return f"Every loss was tuned with {counted(fight.plan.trials, 'trial')} in each replicate."


def _failed_control(fight: FairFight) -> Iterator[str]:
    control = fight.control
    if control is not None and fight.control_failed:
        yield (
            f"This study's error control failed: the twin of {fight.plan.baseline}, the same loss tuned again, came "
            f"out {control.verdict}, so that no verdict below can be trusted."
        )


def _at_the_defaults(fight: FairFight) -> Iterator[str]:
    """The losses that would have been called better or worse untuned and are not now, or the other way round."""
    changed = changed_verdicts(fight)
    if not changed:
        decided = any(_decided(pair) for pair in fight.comparison.rivals.values())
        which = "the same losses would" if decided else "none would"
        yield f"Untuned, at the defaults, {which} have been called better or worse{'' if decided else ' either'}."
        return
    named = [f"{label} {_word(pair)} ({_size(pair, fight)})" for label, pair in changed.items()][:MOST_NAMED]
    more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
    yield f"Untuned, at the defaults, the answer was another one: {', '.join(named)}{more}."


def changed_verdicts(fight: FairFight) -> dict[str, PairedComparison]:
    """Loss -> comparison at the defaults, where it is better or worse there and not tuned, or the other way round."""
    rivals, defaults = fight.comparison.rivals, fight.defaults.paired
    changed = {
        label: defaults[label]
        for label, pair in rivals.items()
        if label in defaults and _decided(defaults[label]) != _decided(pair)
    }
    return dict(sorted(changed.items(), key=lambda item: (not _decided(item[1]), -abs(item[1].mean))))


def _decided(pair: PairedComparison) -> str:
    return pair.verdict if pair.verdict in ("better", "worse") else ""


def _word(pair: PairedComparison) -> str:
    return pair.qualifier if pair.qualifier and pair.qualifier.endswith(pair.verdict) else pair.verdict


def _size(pair: PairedComparison, fight: FairFight) -> str:
    return format_difference(pair.mean, fight.comparison.unit, signed=True)


def sentences(fight: FairFight) -> list[str]:
    """One sentence for each row but the baseline, then those on ranges that were too narrow."""
    comparison = fight.comparison
    losses = replace(comparison, arms=[arm for arm in comparison.arms if arm.label != comparison.twin])
    found = [*plain.sentences(losses), *_control(fight)]
    ranges = [
        f"{label}'s range was too narrow ({'; '.join(f'{edge.dimension.key} {edge.words}' for edge in edges)})"
        f"{_consequence(label, fight)}."
        for label, edges in fight.narrow.items()
    ]
    return [*found, *ranges]


def _control(fight: FairFight) -> Iterator[str]:
    """What became of the twin."""
    control = fight.control
    if control is not None and not fight.control_failed and not fight.comparison.provisional:
        yield (
            f"The negative control held: {fight.comparison.twin}, the same loss tuned with other trials, is neither "
            f"better nor worse than {fight.plan.baseline} ({control.verdict}, {_size(control, fight)})."
        )


def _consequence(label: str, fight: FairFight) -> str:
    baseline = fight.comparison.baseline
    if baseline is not None and baseline.label == label:
        return ": no loss is called better than it"
    return "" if label == fight.comparison.twin else ": it is not called worse"


def about_trials(fight: FairFight) -> list[str]:
    """On which side of the baseline each loss is after how many trials; one sentence for all that are on neither."""
    baseline = fight.comparison.baseline
    if baseline is None or fight.comparison.provisional:
        return []
    rivals = {label: curve for label, curve in fight.curves.items() if label in fight.comparison.rivals}
    said: list[str] = []
    on_one: dict[Side, list[str]] = {"level with": [], UNKNOWN: []}
    for label, curve in rivals.items():
        side = _neither(curve)
        if side is None:
            said.append(_stretches(label, curve, fight, baseline.label))
        else:
            on_one[side].append(label)
    for side, labels in on_one.items():
        said += _always(labels, side, baseline.label)
    return said


def _neither(curve: Curve) -> Side | None:
    """Whether a loss is level with the baseline throughout, or not told apart from it; None where it is once apart."""
    sides = {after.side for after in curve}
    if not sides.isdisjoint(APART):
        return None
    return "level with" if sides == {"level with"} else UNKNOWN


def _always(labels: Sequence[str], side: Side, baseline: str) -> Iterator[str]:
    if labels:
        yield f"{_joined(labels)} {'is' if len(labels) == 1 else 'are'} {side} {baseline} after any number of trials."


def _stretches(label: str, curve: Curve, fight: FairFight, baseline: str) -> str:
    """Such as "power is ahead of cross_entropy up to 4 trials (+1.20 points with 1), level with it from 8"."""
    parts = phases(curve)
    if len(parts) == 1:
        return f"{label} is {parts[0].side} {baseline} after any number of trials ({_ends(curve, fight)})."
    names = [baseline, *["it"] * (len(parts) - 1)]
    said = [f"{part.side} {name} {_when(part, curve)}" for part, name in zip(parts, names, strict=True)]
    return f"{label} is {', '.join(said)} ({_ends(curve, fight)})."


def _when(part: Phase, curve: Curve) -> str:
    if part.first == curve[0].n:
        return "at the defaults" if part.last == DEFAULTS else f"up to {part.last} trials"
    if part.last == curve[-1].n:
        return f"from {part.first} trials"
    return f"after {part.first} trials" if part.first == part.last else f"from {part.first} to {part.last} trials"


def _ends(curve: Curve, fight: FairFight) -> str:
    first, last = (format_difference(after.difference, fight.comparison.unit, signed=True) for after in _outer(curve))
    return f"{first} at the defaults, {last} after {counted(curve[-1].n, 'trial')}"


def _outer(curve: Curve) -> tuple[After, After]:
    return curve[0], curve[-1]


def _joined(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
