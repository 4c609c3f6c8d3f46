"""The losses of some runs compared, as one Python object: what a report prints and a notebook shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from lossbench import escaping
from lossbench.plots.page import PageFigure
from lossbench.report.caveats import find_caveats
from lossbench.report.comparison import Comparison
from lossbench.report.cost_table import cost_table
from lossbench.report.detail_table import detail_table
from lossbench.report.epochs import epochs_table
from lossbench.report.figures import draw_figures
from lossbench.report.findings import Findings, find
from lossbench.report.metric_table import metric_table
from lossbench.report.page.about_data import about_data
from lossbench.report.page.flips_shown import FlipsShown, flips_shown
from lossbench.report.page.forest import ForestPlot, forest_plot
from lossbench.report.papers.latex import latex_table
from lossbench.report.papers.methods import methods
from lossbench.report.records import Record
from lossbench.report.sentences import headline, sentences
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tables import Table, aligned, in_one_line
from lossbench.report.transfer.compare import TransferComparison
from lossbench.report.transfer.table import transfer_table
from lossbench.report.transfer.words import sentences as transfer_sentences
from lossbench.report.verdict_table import verdict_table


class Lead(NamedTuple):
    """What stands directly under the verdicts.

    Args:
        figure: name of a figure.
        sentences: what it shows.
        search: what the names of the figures and tables begin with that follow the words.
    """

    figure: str
    sentences: Sequence[str]
    search: Sequence[str] = ()


@dataclass(frozen=True, repr=False)
class LossComparison:
    """Which loss is better: scores, paired differences and verdicts; shown as a table in a terminal and in a notebook.

    Args:
        findings: the comparison and the measures of its arms.
        table: the verdict table.
        caveats: what to know before believing it, a sentence each.
        about: what these runs have in common that others reported at the same time have not, e.g. "mlp max_epochs=30".
        transfers: the same losses judged by their features on other data, where that was asked.
    """

    findings: Findings
    table: Table
    caveats: Sequence[str]
    about: str = field(default="", kw_only=True)
    transfers: Sequence[TransferComparison] = field(default=(), kw_only=True)

    @property
    def comparison(self) -> Comparison:
        """The arms compared with the baseline."""
        return self.findings.comparison

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary a loss, unrounded, in stored units (an accuracy of 0.98).

        `pandas.DataFrame(comparison.rows)` makes a table of them.
        """
        return [dict(row) for row in self.table.numbers]

    @property
    def verdicts(self) -> dict[str, str]:
        """Loss -> better, worse, equivalent or undecided against the baseline."""
        return {label: pair.verdict for label, pair in self.comparison.paired.items()}

    @property
    def headline(self) -> str:
        """The answer in a sentence or two."""
        return headline(self.comparison)

    @property
    def sentences(self) -> list[str]:
        """One sentence for each loss but the baseline."""
        return sentences(self.comparison)

    @property
    def lead(self) -> Lead | None:
        """The figure directly under the verdicts; None where all of them follow later."""
        return None

    @property
    def forest(self) -> ForestPlot | None:
        """The differences from the baseline as the page draws them; None where nothing was compared."""
        return forest_plot(self.comparison)

    @property
    def flips(self) -> FlipsShown | None:
        """The examples on which losses differ; None where there are none to be found."""
        return flips_shown(self.comparison)

    @property
    def description(self) -> dict[str, str]:
        """What was compared on what: heading -> sentence."""
        return about_data(self.comparison)

    @property
    def methods(self) -> str:
        """How it was compared, in a paragraph for a paper."""
        return methods(self.comparison)

    def figures(self) -> dict[str, Figure]:
        """Draw the report's figures: name -> figure, such as forest, seeds and curves."""
        return {drawn.name: drawn.figure for drawn in self.drawings()}

    def drawings(self) -> list[PageFigure]:
        """Draw the figures with their words, in the order of the page."""
        return draw_figures(self.findings)

    def tables(self) -> Sequence[Table]:
        """All tables, that of the verdicts first."""
        beside = filter(None, (metric_table(self.comparison), epochs_table(self.comparison)))
        first = [self.table, *beside]
        transfers = map(transfer_table, self.transfers)
        return [*first, *transfers, detail_table(self.findings), cost_table(self.findings)]

    def latex(self) -> str:
        """The table of verdicts in LaTeX."""
        return latex_table(self.comparison)

    def text(self, most: int | None = None) -> str:
        """Word it for a terminal: the table (of more than `most` losses the first), the answer, the caveats."""
        shown = self.table._replace(rows=self.table.rows[:most])
        hidden = len(self.table.rows) - len(shown.rows)
        more = f"\n... and {hidden} more in the report" if hidden else ""
        notes = "".join(f"\n  - {caveat}" for caveat in self.caveats)
        before = f"\n\nBefore you believe it:{notes}" if notes else ""
        abroad = "".join(f"\n\n{_transfer_text(each)}" for each in self.transfers)
        table = aligned(shown)
        lead = "".join(f"\n{sentence}" for sentence in self.lead.sentences) if self.lead else ""
        return escaping.for_terminal(f"{self.table.title}\n\n{table}{more}\n\n{self.headline}{lead}{before}{abroad}")

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        head = _html_row("th", self.table.columns)
        body = "".join(_html_row("td", row) for row in self.table.rows)
        notes = "".join(f"<li>{escape(caveat)}</li>" for caveat in self.caveats)
        return (
            f"<table><caption>{escape(self.table.title)}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
            f"<p><b>{escape(self.headline)}</b></p><ul>{notes}</ul>"
        )


def _transfer_text(transfer: TransferComparison) -> str:
    """Word the findings on other data for a terminal."""
    table = transfer_table(transfer)
    said = "\n".join(transfer_sentences(transfer))
    return f"{table.title}\n\n{aligned(table)}\n\n{said}"


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(in_one_line(cell))}</{tag}>' for cell in cells)}</tr>"


def compare_losses(records: Sequence[Record], spec: ComparisonSpec, about: str = "") -> LossComparison:
    """Compare the losses of some comparable runs; the look at them is recorded beside the baseline's runs.

    Args:
        records: runs with a result, at least one, and others of the same sweep without.
        spec: the baseline, the metric and the margin.
        about: what tells these runs from others that are compared at the same time, e.g. "mlp max_epochs=30".

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    findings = find(records, spec)
    table = verdict_table(findings)
    if about:
        table = table._replace(title=f"{about}: {table.title}")
    return LossComparison(findings, table, find_caveats(findings), about=about)
