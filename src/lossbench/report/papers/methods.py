"""methods.txt: how a comparison was made, in a paragraph that can be pasted into a paper; made from its numbers."""

from collections.abc import Iterator, Mapping, Sequence

from lossbench.report.comparison import Comparison
from lossbench.report.formatting import counted, format_difference
from lossbench.report.page.about_data import about_data, measured_with
from lossbench.report.stats.sequential import look_factor

PACKAGES = ("lossbench", "torch", "pytorch_lightning", "numpy", "scipy")  # whose versions are named, where recorded
PAIRED = {
    "folds": (
        "drew the split into training, validation and test examples anew (repeated stratified folds, whose test parts "
        "are disjoint within a repeat and cover the data), and with it the initial weights and the order of examples"
    ),
    "published": (
        "drew training and validation examples, initial weights and the order of examples anew; all were tested on the "
        "published test set"
    ),
    "split": "drew initial weights and the order of examples anew, on one fixed split, to which the results refer",
}
VARIANCE = {
    "folds": (
        "The variance of a mean difference is the sum of two parts: that of the test examples, and that of the "
        "replicates beyond what the choice of test examples gives"
    ),
    "published": "The variance of a mean difference is that of a two-way layout of replicates and test examples",
    "split": "The variance of a mean difference is that of a two-way layout of seeds and test examples",
}
WITHOUT = {
    "folds": "The variance of a mean difference is that of Nadeau and Bengio (2003) for overlapping splits",
    "published": "The variance of a mean difference is that over replicates alone, without other test examples",
    "split": "The variance of a mean difference is that over seeds alone, without other test examples",
}
SATTERTHWAITE = "whose degrees of freedom are Satterthwaite's"
LESS_ONE = "whose degrees of freedom are the number of repeats less one"


def methods(comparison: Comparison, tuning: Sequence[str] = ()) -> str:
    """Say how a comparison was made: what was paired, drawn anew and corrected, how many repeats, which tests.

    Args:
        comparison: what was compared.
        tuning: how settings were chosen, a sentence each, without capital letter and full stop.
    """
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in _sentences(comparison, tuning))


def look_of(comparison: Comparison) -> int:
    """How many times these comparisons were judged, this time included; the most of all arms."""
    return max((pair.look for pair in comparison.paired.values()), default=1)


def _sentences(comparison: Comparison, tuning: Sequence[str]) -> Iterator[str]:
    about, baseline = about_data(comparison), comparison.baseline
    yield f"{_compared(comparison)} on {about['data']}"
    yield f"the model was {about['model']}"
    if with_what := measured_with(comparison):
        yield f"it was measured {with_what}"
    yield _paired(comparison)
    yield from tuning
    if baseline is None:
        yield "no loss was taken as a baseline, and nothing was tested"
    elif comparison.provisional:
        runs = counted(comparison.provisional, "run is", "runs are")
        yield f"{runs} still to be done, and nothing has been tested yet"
    else:
        yield from _tested(comparison)
    yield from _lost(comparison)
    yield f"computed with {_versions(comparison)}"


def _compared(comparison: Comparison) -> str:
    losses = [*dict.fromkeys(arm.label for arm in comparison.others)]
    if comparison.baseline is None:
        return f"we trained with {', '.join(losses)}"
    named = ", ".join(losses) if losses else "no other loss"
    return f"we compared {named} with {comparison.baseline.label} by {comparison.metric}"


def repeats(comparison: Comparison) -> str:
    """How many replicates or seeds the losses have: "12 replicates", "8 to 12 seeds"."""
    counts = {summary.n for summary in comparison.summaries.values()}
    low, high = min(counts), max(counts)
    return counted(low, comparison.kind) if low == high else f"{low} to {high} {comparison.kind}s"


def _paired(comparison: Comparison) -> str:
    if comparison.frozen:
        return f"every {comparison.kind} gave the same run, of which one was kept"
    number = repeats(comparison)
    each = f"one {comparison.kind}" if number == f"1 {comparison.kind}" else f"each of {number}"
    drawn = f"{each} {PAIRED[comparison.design]}; it was the same for every loss"
    return drawn if comparison.baseline is None else f"{drawn}, and differences are paired by {comparison.kind}"


def _tested(comparison: Comparison) -> Iterator[str]:
    known = WITHOUT if comparison.without_examples else VARIANCE
    df = LESS_ONE if comparison.without_examples or comparison.design == "folds" else SATTERTHWAITE
    yield f"{known[comparison.design]}; the mean divided by its standard error is compared with Student's t, {df}"
    yield (
        f"tests and 95 % intervals hold simultaneously for the {counted(comparison.family, 'planned comparison')} "
        "(max-T with the estimated correlation, step-down for the tests; Westfall and Young 1993)"
    )
    yield (
        "a loss is called better or worse where the corrected p is below 0.05, and so is that of a sign-flip test "
        f"of the {comparison.kind}s' mean differences"
    )
    if comparison.margin is not None:
        margin = format_difference(comparison.margin, comparison.unit)
        yield (
            f"differences below {margin} were taken not to matter: a loss is called equivalent, before anything else, "
            "where two one-sided tests at this margin, corrected in the same way, say so; slightly better or worse is "
            "a difference that is significant and estimated to be below the margin"
        )
    yield from _looks(comparison)


def _looks(comparison: Comparison) -> Iterator[str]:
    look = look_of(comparison)
    if look > 1:
        yield (
            f"this was look {look} at these comparisons, whose p-values were multiplied by {look_factor(look):g} for it"
        )
    if comparison.standing:
        yield f"verdicts of earlier looks stand for {', '.join(comparison.standing)}"


def _lost(comparison: Comparison) -> Iterator[str]:
    """Runs that diverged, collapsed or are missing."""
    diverged, collapsed, missing = (
        _counted_by_loss(units) for units in (comparison.diverged, comparison.collapsed, comparison.unfinished)
    )
    if diverged:
        yield f"runs that diverged count as outcomes, with the score of guessing or the worst of the study ({diverged})"
    if collapsed:
        yield f"runs far below the others are counted like any other ({collapsed})"
    if missing:
        yield f"runs that failed for another reason are missing ({missing})"


def _counted_by_loss(units: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{label}: {len(found)}" for label, found in units.items() if found)


def _versions(comparison: Comparison) -> str:
    """The versions with which all runs were made; several of one package are all named."""
    found: dict[str, dict[str, None]] = {}
    for run in comparison.runs:
        for name, version in run.done_result.versions.items():
            found.setdefault(name, {})[version] = None
    named = [name for name in PACKAGES if name in found] or list(found)
    return ", ".join(f"{name} {' and '.join(found[name])}" for name in named) or "lossbench"
