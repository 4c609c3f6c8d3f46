"""What is found about features on other data, in sentences."""

from collections.abc import Iterator, Sequence

from lossbench.report.formatting import counted, format_difference
from lossbench.report.stats.sequential import least_units
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.transfer.compare import TransferComparison

SIDES = {"better": "wins", "worse": "loses"}


def sentences(transfer: TransferComparison) -> list[str]:
    """Say which losses win at home and lose on the other data, or the other way round, and what weakens that."""
    home, away = transfer.home, transfer.away
    if away.baseline is None:
        return [*_separations(transfer), *_doubts(transfer)]
    if away.provisional:
        waiting = [f"{counted(transfer.lacking, 'run has', 'runs have')} no answer"] if transfer.lacking else []
        waiting += [f"{counted(home.provisional, 'run is', 'runs are')} still to be done"] if home.provisional else []
        return [f"Not judged yet on {transfer.data}: {' and '.join(waiting)}.", *_doubts(transfer)]
    return [*_found(transfer), *_separations(transfer), *_too_few(transfer), *_doubts(transfer)]


def _found(transfer: TransferComparison) -> Iterator[str]:
    """Losses that win on one side and lose on the other, then those that are shown to differ on one side."""
    at_home = transfer.home.paired
    rivals = transfer.away.rivals
    crossed = [label for label, away in rivals.items() if _is_crossed(at_home.get(label), away)]
    yield from (_opposite(label, at_home[label], rivals[label], transfer) for label in crossed)
    for label, away in rivals.items():
        home = at_home.get(label)
        if label not in crossed and (_is_shown(home) or _is_shown(away)):
            yield _beside(label, home, away, transfer)
    if not crossed:
        yield f"No loss that is better or worse at home is shown to be the opposite on {transfer.data}."


def _opposite(label: str, home: PairedComparison, away: PairedComparison, transfer: TransferComparison) -> str:
    return (
        f"{label} {SIDES[home.verdict]} at home and {SIDES[away.verdict]} on {transfer.data}: "
        f"{_difference(home, transfer, home=True)} there, {_difference(away, transfer)} here."
    )


def _is_shown(pair: PairedComparison | None) -> bool:
    """Whether it is better or worse by more than the margin."""
    return pair is not None and pair.verdict in SIDES and pair.qualifier is None


def _is_crossed(home: PairedComparison | None, away: PairedComparison) -> bool:
    return home is not None and _is_shown(home) and _is_shown(away) and home.verdict != away.verdict


def _beside(label: str, home: PairedComparison | None, away: PairedComparison, transfer: TransferComparison) -> str:
    at_home = "not compared at home" if home is None else f"{_word(home)} at home"
    return f"{label} is {at_home}, and {_word(away)} on {transfer.data}: {_difference(away, transfer)}."


def _word(pair: PairedComparison) -> str:
    return pair.verdict if pair.qualifier is None else pair.qualifier


def _difference(pair: PairedComparison, transfer: TransferComparison, *, home: bool = False) -> str:
    return format_difference(pair.mean, (transfer.home if home else transfer.away).unit, signed=True)


def _separations(transfer: TransferComparison) -> Iterator[str]:
    """The loss whose classes lie furthest apart at home, and the one whose classes lie closest."""
    known = {arm.label: transfer.separation(arm.label, "home") for arm in transfer.away.arms}
    ranked = sorted((value, label) for label, value in known.items() if value is not None)
    if len(ranked) > 1:
        (low, last), (high, first) = ranked[0], ranked[-1]
        yield (
            f"Class separation on their own test examples is highest with {first} ({100 * high:.1f} %) and lowest with "
            f"{last} ({100 * low:.1f} %)."
        )


def _too_few(transfer: TransferComparison) -> Iterator[str]:
    """How many replicates this further question needs, where so many can decide nothing."""
    pairs = transfer.away.paired.values()
    if not pairs or any(pair.reachable for pair in pairs):
        return
    look, kind = min(pair.look for pair in pairs), transfer.away.kind
    least = least_units(look)
    enough = f"{least} {kind}s are the least" if least else f"no number of {kind}s is enough"
    yield f"As look {look} at these runs it decides nothing with so few {kind}s: {enough}."


def _doubts(transfer: TransferComparison) -> Sequence[str]:
    """What a reader has to know before believing it."""
    probed = transfer.probed
    seen, edges = max(run.answer.trained_on for run in probed), sum(bool(run.answer.probe["at_edge"]) for run in probed)
    found: list[str] = []
    if seen:
        found.append(f"Up to {seen} of {probed[0].answer.n['test']} test examples were trained on by a run.")
    if edges:
        runs = counted(edges, "run")
        found.append(f"In {runs} of {len(probed)} the best weight decay of the probe is the last one that was tried.")
    return found
