"""Fill the template of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossbench.plots.page import PageFigure, page_template, style_sheet
from lossbench.report.comparison import Comparison
from lossbench.report.loss_comparison import Lead, LossComparison
from lossbench.report.metric_table import NAME as OTHER_METRICS
from lossbench.report.page.about_runs import arm_table, commands, facts, without_result
from lossbench.report.tables import Table, stacked
from lossbench.report.transfer.table import NAME as TRANSFER
from lossbench.report.transfer.table import transfer_table
from lossbench.report.transfer.words import sentences as transfer_sentences

SHOWN_SENTENCES = 12
DRAWN_BY_PAGE = ("forest",)  # figures that the page draws itself, so that they are readable at any width
FILES = (
    "Beside this page: the tables as CSV and Markdown, verdict.tex and methods.txt for a paper, records.csv with one "
    "row a run, the pictures as SVG and PDF."
)


def render(compared: LossComparison, tables: Sequence[Table], figures: Sequence[PageFigure]) -> str:
    """Write the report as one HTML page; every text from a run is escaped.

    Args:
        compared: what the report is made from.
        tables: the table of verdicts first.
        figures: in their order on the page.

    Returns:
        The page.
    """
    comparison = compared.comparison
    return page_template("lossbench.report.page").render(
        style=style_sheet(),
        title=title(comparison, compared.about),
        headline=compared.headline,
        about_data=list(compared.description.items()),
        first=tables[0],
        forest=compared.forest,
        sentences=_first(compared.sentences),
        caveats=compared.caveats,
        transfers=[(transfer_table(each), transfer_sentences(each)) for each in compared.transfers],
        flips=compared.flips,
        runs=f"{len(comparison.runs)} runs of {len(comparison.arms)} losses or settings, started with:",
        commands=commands(comparison.runs),
        facts=list(facts(comparison).items()),
        arms=arm_table(comparison),
        missing=without_result(compared.findings.missing),
        methods=compared.methods,
        files=FILES,
        **_figures(compared.lead, [each.for_page() for each in figures if each.name not in DRAWN_BY_PAGE]),
        **_tables(compared.lead, tables[1:]),
    )


def _figures(lead: Lead | None, figures: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The figure under the verdicts, those of the search, and the others."""
    by_name = {each["name"]: each for each in figures}
    first = by_name.pop(lead.figure, None) if lead else None
    return {
        "lead": lead and {"figure": first, "sentences": lead.sentences},
        "searched": [each for name, each in by_name.items() if _is_of_search(name, lead)],
        "figures": [each for name, each in by_name.items() if not _is_of_search(name, lead)],
    }


def _tables(lead: Lead | None, tables: Sequence[Table]) -> dict[str, Any]:
    """The tables of the search, that of other metrics, and the others with their notes, each in its groups."""
    own_section = (*(lead.search if lead else ()), TRANSFER)
    others = [table for table in tables if table.name.partition("_")[0] not in own_section]
    return {
        "search": [table for table in tables if _is_of_search(table.name, lead)],
        "others": [table for table in others if table.name == OTHER_METRICS],
        "details": [(table.note, list(stacked(table))) for table in others if table.name != OTHER_METRICS],
    }


def _is_of_search(name: str, lead: Lead | None) -> bool:
    return lead is not None and name.partition("_")[0] in lead.search


def title(comparison: Comparison, about: str = "") -> str:
    """The data, the models, and what these runs have in common that others have not."""
    models = sorted({run.done_result.model for run in comparison.runs})
    words = [comparison.runs[0].done_result.data, *(model for model in models if model not in about.split())]
    return f"Which loss? {', '.join([*words, about] if about else words)}"


def _first(found: Sequence[str]) -> list[str]:
    more = len(found) - SHOWN_SENTENCES
    return [*found[:SHOWN_SENTENCES], f"... and {more} more in the table."] if more > 1 else list(found)
