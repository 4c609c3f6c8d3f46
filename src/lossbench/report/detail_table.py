"""The second table of a report: what a referee asks for, in groups of columns."""

import math

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import format_advice, format_difference, format_p
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tables import EMPTY, Table, in_unit, interval_cell, number_cell, value_cell, words_cell
from lossbench.report.verdict_table import difference_heading, score_cell

SCORES = ("n", "mean ± sd", "95 % interval", "median", "IQM")
TESTS = ("n", "difference", "p", "corrected p", "p equivalent", "sign-flip p", "effect d", "better in", "look")
WIDTHS = ("standard error", "of the examples", "degrees of freedom", "Nadeau-Bengio", "collapse", "to decide it")
NOTE = (
    "IQM is the mean of the middle half. Differences are turned so that positive is better. "
    "p: of mean / standard error, two-sided; p equivalent: two one-sided tests at the margin; "
    "corrected p and p equivalent are corrected for all planned comparisons (step-down max-T) and for looks; "
    "sign-flip p: permutation test of the paired differences, not corrected. "
    "Effect d: mean / standard deviation of the differences. Better in: share of the pairs, ties half. "
)
PARTS = (
    "Of the squared standard error, the share of the examples would fall with more test examples alone, the rest with "
    "more {unit}s. {resplits}Collapse: how often at most the loss diverges or collapses, by what was seen (95 %)."
)
RESPLITS = "Nadeau-Bengio: their wider 95 % interval for resplits of one pool, for this comparison alone. "


def detail_table(findings: Findings) -> Table:
    """Make the table, a row an arm; its numbers are those of verdict.csv."""
    comparison = findings.comparison
    unit, baseline = comparison.unit, comparison.baseline
    scores = {f"Scores{in_unit(unit.name)}": len(SCORES)}
    if baseline is None:
        rows = [_scores(arm, comparison) for arm in comparison.arms]
        return Table("details", f"Details of {comparison.metric}", ["loss", *SCORES], rows, groups=scores)
    rows = [[*_scores(arm, comparison), *_compared(arm, findings)] for arm in comparison.arms]
    groups = {
        **scores,
        f"Tests of the {difference_heading(comparison)} from {baseline.label}": len(TESTS),
        "How sure the difference is": len(WIDTHS),
    }
    columns = ["loss", *SCORES, *TESTS, *WIDTHS]
    parts = PARTS.format(unit=comparison.kind, resplits=RESPLITS if comparison.design == "folds" else "")
    return Table("details", f"Details of {comparison.metric}", columns, rows, groups=groups, note=NOTE + parts)


def _scores(arm: Arm, comparison: Comparison) -> list[str]:
    summary, unit = comparison.summaries[arm.label], comparison.unit
    interval = interval_cell(summary.low, summary.high, unit)
    middle = [value_cell(summary.median, unit), value_cell(summary.iqm, unit)]
    return [words_cell(arm.label), str(summary.n), score_cell(arm, comparison), interval, *middle]


def _compared(arm: Arm, findings: Findings) -> list[str]:
    pair = findings.comparison.paired.get(arm.label)
    if pair is None:
        return [EMPTY] * (len(TESTS) + len(WIDTHS))
    return [*_tests(pair, findings.comparison), *_widths(pair, findings.comparison)]


def _tests(pair: PairedComparison, comparison: Comparison) -> list[str]:
    share, low, high = pair.better_in
    has_equivalence = not math.isnan(pair.p_equivalent) and pair.reachable
    return [
        str(pair.n),
        format_difference(pair.mean, comparison.unit, signed=True, with_unit=False),
        format_p(pair.p),
        format_p(pair.p_adjusted),
        format_p(pair.p_equivalent) if has_equivalence else EMPTY,
        format_p(pair.p_sign_flip),
        number_cell(pair.effect_size, 2),
        f"{share:.0%}\n{low:.0%}-{high:.0%}",
        str(pair.look),
    ]


def _widths(pair: PairedComparison, comparison: Comparison) -> list[str]:
    unit, variance = comparison.unit, pair.var_examples + pair.var_units
    return [
        value_cell(pair.se, unit),
        f"{pair.var_examples / variance:.0%}" if variance > 0 else EMPTY,
        number_cell(pair.df, 1),
        EMPTY if pair.nadeau_bengio is None else interval_cell(*pair.nadeau_bengio, unit, signed=True),
        f"up to {pair.collapse_bound:.0%}\nseen in {pair.collapsed} of {pair.n}",
        EMPTY if pair.more is None else format_advice(pair.more, comparison.kind).removesuffix(" would decide"),
    ]
