"""The tables of a report over doses: verdicts at each dose, and trends."""

from typing import Any

from lossbench.report.doses.response import DoseResponse
from lossbench.report.doses.words import crossing_words
from lossbench.report.formatting import MARKS, format_difference
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tables import EMPTY, Table, interval_cell, words_cell
from lossbench.report.verdict_numbers import numbers_of, paired_numbers
from lossbench.report.verdict_table import (
    LOST,
    difference_heading,
    lost_cell,
    score_cell,
    score_heading,
    verdict_cells,
    verdict_heading,
)  # fmt: skip

TREND = {"better": "gains", "worse": "loses", "equivalent": "steady", "undecided": "undecided"}


def verdict_table(response: DoseResponse) -> Table:
    """Make the table of verdicts: a row for each loss at each dose."""
    first, axis = response.first, response.axis
    columns = ["loss", axis.name.replace("_", " "), *verdict_heading(first), score_heading(first), LOST]
    rows: list[list[str]] = []
    numbers: list[dict[str, Any]] = []
    for line in response.lines:
        for dose, arm in line.arms.items():
            found = response.findings[dose]
            cells = verdict_cells(arm, found.comparison) if response.baseline else []
            scores = [score_cell(arm, found.comparison), lost_cell(arm, found.comparison)]
            rows.append([words_cell(line.label), axis.said(dose), *cells, *scores])
            numbers.append({axis.name: axis.said(dose), "place": response.places[dose], **numbers_of(arm, found)})
    against = f", and paired by {first.kind} against {response.baseline.label}" if response.baseline else ""
    title = f"{first.metric} of every loss at each {axis.name}{against}"
    return Table("verdict", title, columns, rows, numbers)


def trend_table(response: DoseResponse) -> Table | None:
    """Make the table of trends, a row for each loss but the baseline; None where there is none."""
    if not response.trends:
        return None
    axis, ends = response.axis, [response.axis.said(dose) for dose in (min(response.places), max(response.places))]
    assert response.baseline is not None
    change = f"{difference_heading(response.first).replace('difference', 'change', 1)}\n{ends[0]} to {ends[1]}, 95 %"
    columns = ["loss", "verdict", change, f"mean crosses {response.baseline.label}"]
    rows = [
        [words_cell(label), _word(pair, response), _change(pair, response), _crossing(label, response)]
        for label, pair in response.trends.items()
    ]
    numbers = [{"loss": label, **_numbers(label, pair, response)} for label, pair in response.trends.items()]
    scale = "on a logarithmic axis" if axis.log else "on a linear axis"
    note = (
        f"The change of the difference from {response.baseline.label}, from {axis.name}={ends[0]} to {ends[1]} along "
        f"the line fitted to all doses {scale} by least squares; judged together with the verdicts at each dose."
    )
    return Table("trend", f"How differences change with {axis.name}", columns, rows, numbers, note=note)


def _word(pair: PairedComparison, response: DoseResponse) -> str:
    return "not judged yet" if response.first.provisional else f"{MARKS[pair.verdict]} {TREND[pair.verdict]}"


def _change(pair: PairedComparison, response: DoseResponse) -> str:
    unit = response.first.unit
    mean = format_difference(pair.mean, unit, signed=True, with_unit=False)
    interval = interval_cell(pair.low, pair.high, unit, signed=True)
    return mean if interval == EMPTY else f"{mean}\n{interval}"


def _crossing(label: str, response: DoseResponse) -> str:
    return "; ".join(crossing_words(each, response) for each in response.crossings[label]) or "no"


def _numbers(label: str, pair: PairedComparison, response: DoseResponse) -> dict[str, Any]:
    found = response.crossings[label]
    crossings = {"crossing": found[0].at, "crossing_low": found[0].low, "crossing_high": found[0].high} if found else {}
    return {"crossings": len(found), **crossings, **paired_numbers(pair)}
