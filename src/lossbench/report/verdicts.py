"""The verdicts of a comparison, corrected for the looks recorded before; a verdict of an earlier look stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lossbench.report.journal import Decision, Looks
from lossbench.report.stats.verdict import Differences, PairedComparison
from lossbench.report.stats.verdict import judge as judge_family


@dataclass(frozen=True)
class Verdicts:
    """Paired comparisons with the baseline.

    Args:
        paired: label -> paired comparison.
        standing: label -> seeds and look with which an earlier report found it better or worse, where these runs alone
            would not.
        unrecorded: why the looks could not be recorded, if so.
    """

    paired: Mapping[str, PairedComparison]
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    unrecorded: str | None = None


def judge(
    differences: Mapping[str, Differences],
    looks: Looks,
    names: Mapping[str, str],
    seeds: Mapping[str, Sequence[int]],
    margin: float | None,
    *,
    is_provisional: bool,
) -> Verdicts:
    """Judge all arms, and record this look.

    Args:
        differences: label -> paired differences, positive is better.
        looks: those recorded before.
        names: label -> name of the comparison among the looks.
        seeds: label -> the seeds of this look.
        margin: differences below it do not matter, stored unit.
        is_provisional: whether runs are still to be done: all arms are undecided then, and no look is recorded.

    Returns:
        The verdicts, in the order of the differences.
    """
    counts = {label: looks.count(names[label], seeds[label]) for label in differences}
    paired = judge_family(differences, margin, design="split", look=counts)
    if is_provisional:
        return Verdicts({label: replace(pair, verdict="undecided", more=None) for label, pair in paired.items()})
    standing: dict[str, tuple[int, int]] = {}
    for label, pair in paired.items():
        looks.decide(names[label], pair.verdict, pair.n, pair.look)
        decision = looks.decided.get(names[label])
        if decision is not None and _stands(decision, pair):
            standing[label] = (decision.n, decision.look)
            paired[label] = replace(pair, verdict=decision.verdict, more=None)
    return Verdicts(paired, standing, looks.save())


def _stands(earlier: Decision, now: PairedComparison) -> bool:
    """Whether an earlier verdict stands: a later look is undecided, with a mean on the same side."""
    side = "better" if now.mean > 0 else "worse"
    return now.verdict == "undecided" and now.look > earlier.look and earlier.verdict == side
