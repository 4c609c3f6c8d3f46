"""Caveats about seeds that arms do not share, are too few or failed, and about earlier looks."""

from collections.abc import Iterator, Sequence

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import counted, listed
from lossbench.report.stats.sequential import least_units

FROZEN = (
    "Every seed gave the same run: nothing here depends on the seed, so one of them is shown and nothing can be tested."
)
NO_BASELINE = (
    "There is no baseline among these runs: run the same seeds with loss=cross_entropy (regression: mse) in the "
    "same study, then lossbench report on the study's folder; or name another baseline."
)


def about_seeds(findings: Findings) -> Iterator[str]:
    """Seeds that decide nothing, that are not shared, too few seeds, failed seeds and copies of runs."""
    comparison = findings.comparison
    if comparison.frozen:
        yield FROZEN
    if comparison.baseline is None:
        yield NO_BASELINE
        return
    yield from _not_shared(comparison, comparison.baseline)
    yield from _too_few(comparison)
    yield from _failed(comparison)
    if comparison.copies:
        copies = counted(comparison.copies, "run is", "runs are")
        yield f"{copies} here twice (the same settings and seed); one of them counts."


def about_looks(findings: Findings) -> Iterator[str]:
    """Corrections for earlier looks, and a look that could not be recorded."""
    comparison = findings.comparison
    look = max((pair.look for pair in comparison.paired.values()), default=1)
    if look > 1:
        yield (
            f"This is look {look} at some of these comparisons: "
            "testing again after adding seeds finds differences by chance, so p-values of later looks are multiplied "
            "(the first by 1, the second by 10, then twice as much each time)."
        )
    if comparison.unrecorded:
        yield f"This look could not be recorded, so later ones will not be corrected for it: {comparison.unrecorded}"


def _not_shared(comparison: Comparison, baseline: Arm) -> Iterator[str]:
    """One caveat for all arms that lack the same seeds; an arm without any common seed has a sentence of its own."""
    arms_lacking: dict[tuple[int, ...], list[Arm]] = {}
    for arm in comparison.others:
        seeds = tuple(sorted({*arm.runs} ^ {*baseline.runs}))
        if seeds and comparison.common[arm.label]:
            arms_lacking.setdefault(seeds, []).append(arm)
    for seeds, arms in arms_lacking.items():
        which = f"{'seed' if len(seeds) == 1 else 'seeds'} {listed(seeds)}"
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
    least = least_units(max(pair.look for pair in comparison.paired.values()))
    advice = "after so many looks no number of seeds is enough" if least is None else f"{least} seeds are the least"
    seeds = "1 seed decides" if short == [1] else f"{listed(short)} seeds decide"
    yield f"Too few seeds: {seeds} nothing, whatever the difference; {advice}."


def _failed(comparison: Comparison) -> Iterator[str]:
    done = {arm.label: len(arm.runs) for arm in comparison.arms}
    for label in done:
        count = len(comparison.diverged.get(label, ())) + len(comparison.unfinished.get(label, ()))
        if count:
            yield (
                f"{count} of {count + done[label]} runs of {label} failed: "
                "it is judged by those that did not, which flatters it."
            )
