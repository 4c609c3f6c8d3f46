"""Caveats about the family that a comparison is corrected for, and about earlier looks at its runs."""

from collections.abc import Iterator

from lossbench.report.findings import Findings
from lossbench.report.formatting import counted


def about_looks(findings: Findings) -> Iterator[str]:
    """A family larger than the report, corrections for earlier looks, and a record that is not whole."""
    comparison = findings.comparison
    if comparison.family > len(comparison.paired) > 0:
        yield (
            f"Corrected for all {comparison.family} comparisons with this baseline that were planned or made in this "
            f"study, of which {len(comparison.paired)} {_are(len(comparison.paired))} in this report."
        )
    look = max((pair.look for pair in comparison.paired.values()), default=1)
    if look > 1:
        yield (
            f"This is look {look} at some of these comparisons{_asked(comparison.questions)}: "
            "testing again with more runs, another metric, margin or baseline finds differences by chance, so p-values "
            "of later looks are multiplied (the first by 1, the second by 10, then twice as much each time)."
        )
    for doubt in comparison.doubts:
        yield f"The record of earlier looks is not whole, so that they may be uncorrected for: {doubt}."
    if comparison.unrecorded:
        yield f"This look could not be recorded, so later ones will not be corrected for it: {comparison.unrecorded}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _asked(questions: int) -> str:
    """How many questions; of one there is nothing to tell."""
    return f" ({counted(questions, 'question')} asked of these runs)" if questions > 1 else ""
