"""Caveats about replicates or seeds: those that arms do not share, that are too few, and runs that failed."""

from collections.abc import Iterator, Sequence

from lossbench.report.arms import Arm
from lossbench.report.chance import is_guessable
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import counted, format_score, listed
from lossbench.report.stats.sequential import least_units

FROZEN = (
    "Every seed gave the same run: nothing here depends on the seed, so one of them is shown and nothing can be tested."
)
NO_BASELINE = (
    "There is no baseline among these runs: run the same replicates or seeds with loss=cross_entropy "
    "(regression: mse) in the same study, then lossbench report on the study's folder; or name another baseline."
)


def about_seeds(findings: Findings) -> Iterator[str]:
    """Seeds that decide nothing, that are not shared, too few seeds, failed runs and copies of runs."""
    comparison = findings.comparison
    if comparison.frozen:
        yield FROZEN
    if comparison.baseline is None:
        yield NO_BASELINE
        return
    yield from _not_shared(comparison, comparison.baseline)
    yield from _too_few(comparison)
    yield from _diverged(comparison)
    yield from _collapsed(comparison)
    yield from _unfinished(comparison)
    if comparison.copies:
        copies = counted(comparison.copies, "run is", "runs are")
        yield f"{copies} here twice (the same settings and {comparison.kind}); one of them counts."


def _not_shared(comparison: Comparison, baseline: Arm) -> Iterator[str]:
    """One caveat for all arms that lack the same seeds; an arm without any common seed has a sentence of its own."""
    arms_lacking: dict[tuple[int, ...], list[Arm]] = {}
    for arm in comparison.others:
        seeds = tuple(sorted({*comparison.scores[arm.label]} ^ {*comparison.scores[baseline.label]}))
        if seeds and comparison.common[arm.label]:
            arms_lacking.setdefault(seeds, []).append(arm)
    for seeds, arms in arms_lacking.items():
        which = named(seeds, comparison.kind)
        shared = listed(sorted({len(comparison.common[arm.label]) for arm in arms}))
        yield (
            f"{arms[0].label}{_and_others(arms)} not share {which} with {baseline.label}; "
            f"they are paired on the {shared} that they share."
        )


def _and_others(arms: Sequence[Arm]) -> str:
    if len(arms) == 1:
        return " does"
    return f" and {counted(len(arms) - 1, 'other')} do"


def _too_few(comparison: Comparison) -> Iterator[str]:
    short = sorted({pair.n for pair in comparison.paired.values() if not pair.reachable})
    if not short or comparison.frozen:
        return
    look = max(pair.look for pair in comparison.paired.values())
    least, kind = least_units(look), comparison.kind
    advice = f"{least} {kind}s are the least" if least else f"after so many looks no number of {kind}s is enough"
    seeds = f"1 {kind} decides" if short == [1] else f"{listed(short)} {kind}s decide"
    when = f" at look {look}" if look > 1 else ""
    yield f"Too few {kind}s: {seeds} nothing{when}, whatever the difference; {advice}."


def _diverged(comparison: Comparison) -> Iterator[str]:
    """What the runs count that became NaN or infinite."""
    for label, units in comparison.diverged.items():
        scores = [comparison.scores[label][unit] for unit in units]
        count = format_score(sum(scores) / len(scores), comparison.unit)
        yield (
            f"{len(units)} of {counted(len(comparison.scores[label]), 'run')} of {label} diverged "
            f"({named(units, comparison.kind)}): each counts as {count}, {_guess(comparison)}, and as the worst rank."
        )


def _guess(comparison: Comparison) -> str:
    guessed = is_guessable(comparison.metric)
    return "what guessing the classes by their frequency gives" if guessed else "the worst score of the study"


def _collapsed(comparison: Comparison) -> Iterator[str]:
    for label, units in comparison.collapsed.items():
        runs = counted(len(comparison.scores[label]), "run")
        yield (
            f"{len(units)} of {runs} of {label} collapsed, far below its others ({named(units, comparison.kind)}): "
            "a mean over so few runs says little of how often that happens."
        )


def _unfinished(comparison: Comparison) -> Iterator[str]:
    for label, units in comparison.unfinished.items():
        runs = len(comparison.scores[label]) + len(units)
        yield (
            f"{len(units)} of {counted(runs, 'run')} of {label} failed for another reason than divergence "
            f"({named(units, comparison.kind)}): it is judged by the others; the same command runs what is missing."
        )


def named(units: Sequence[int], kind: str) -> str:
    """Name some units: "seed 3", "replicates 1, 4"."""
    return f"{kind if len(units) == 1 else f'{kind}s'} {listed(units)}"
