"""Fill the template of the page."""

from collections.abc import Sequence

from lossbench.plots.page import PageFigure, page_template, style_sheet
from lossbench.report.comparison import Comparison
from lossbench.report.loss_comparison import LossComparison
from lossbench.report.metric_table import NAME as OTHER_METRICS
from lossbench.report.page.about_runs import arm_table, commands, facts, without_result
from lossbench.report.page.flips_shown import flips_shown
from lossbench.report.page.forest import forest_plot
from lossbench.report.tables import Table, stacked

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
    first, *more = tables
    lead, drawn = compared.lead, {each.name: each.for_page() for each in figures if each.name not in DRAWN_BY_PAGE}
    return page_template("lossbench.report.page").render(
        style=style_sheet(),
        title=title(comparison, compared.about),
        headline=compared.headline,
        about_data=list(compared.description.items()),
        first=first,
        forest=forest_plot(comparison),
        lead=lead and {"sentences": lead.sentences, "figure": drawn.pop(lead.figure, None)},
        sentences=_first(compared.sentences),
        caveats=compared.caveats,
        others=[table for table in more if table.name == OTHER_METRICS],
        flips=flips_shown(comparison),
        figures=[*drawn.values()],
        details=[(table.note, list(stacked(table))) for table in more if table.name != OTHER_METRICS],
        runs=f"{len(comparison.runs)} runs of {len(comparison.arms)} losses or settings, started with:",
        commands=commands(comparison.runs),
        facts=list(facts(comparison).items()),
        arms=arm_table(comparison),
        missing=without_result(compared.findings.missing),
        methods=compared.methods,
        files=FILES,
    )


def title(comparison: Comparison, about: str = "") -> str:
    """The data, the models, and what these runs have in common that others have not."""
    models = sorted({run.done_result.model for run in comparison.runs})
    words = [comparison.runs[0].done_result.data, *(model for model in models if model not in about.split())]
    return f"Which loss? {', '.join([*words, about] if about else words)}"


def _first(found: Sequence[str]) -> list[str]:
    more = len(found) - SHOWN_SENTENCES
    return [*found[:SHOWN_SENTENCES], f"... and {more} more in the table."] if more > 1 else list(found)
