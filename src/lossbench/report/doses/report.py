"""Losses at several doses as one object: what its report prints and shows, as a comparison at one dose does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lossbench.plots.page import PageFigure
from lossbench.report.comparison import Comparison
from lossbench.report.doses.caveats import find_caveats
from lossbench.report.doses.combined import combine, with_trends, without_doses
from lossbench.report.doses.figures import OVER_DOSES, draw_dose_figures
from lossbench.report.doses.response import DoseResponse, find_response
from lossbench.report.doses.tables import trend_table, verdict_table
from lossbench.report.doses.words import doses, headline, lead_sentences, sentences
from lossbench.report.epochs import epochs_table
from lossbench.report.loss_comparison import Lead, LossComparison
from lossbench.report.page.about_data import about_data
from lossbench.report.page.forest import ForestPlot, forest_plot
from lossbench.report.papers.latex import latex_table
from lossbench.report.papers.methods import methods
from lossbench.report.records import Record
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tables import Table


@dataclass(frozen=True, repr=False)
class DoseComparison(LossComparison):
    """Which loss is better at which dose of the data; shown as a table in a terminal and in a notebook.

    Args:
        response: the losses at each dose, their trends, and where they cross the baseline.
    """

    response: DoseResponse

    @property
    def trends(self) -> dict[str, str]:
        """Loss -> better, worse, equivalent or undecided: how its difference from the baseline grows with the dose."""
        return {label: pair.verdict for label, pair in self.response.trends.items()}

    @property
    def headline(self) -> str:
        """What to train with at which doses."""
        return headline(self.response)

    @property
    def sentences(self) -> list[str]:
        """One sentence for each loss but the baseline."""
        return sentences(self.response)

    @property
    def lead(self) -> Lead | None:
        """The score against the dose, and where losses cross the baseline."""
        return Lead(OVER_DOSES, lead_sentences(self.response))

    @property
    def forest(self) -> ForestPlot | None:
        """The differences at each dose, and their changes over the doses."""
        plot, axis = forest_plot(self._rows), self.response.axis
        if plot is None:
            return None
        rows = [row._replace(label=row.label.replace(f", {axis.name}=", " at ")) for row in plot.rows]
        return plot._replace(rows=rows, note=f"Numbers after at are {axis.name}. {plot.note}")

    @property
    def flips(self) -> None:
        """None: examples on which losses differ are shown for one dose, not for several."""
        return None

    @property
    def description(self) -> dict[str, str]:
        """What was compared on what, at which doses: heading -> sentence."""
        return {**about_data(self.comparison), "doses": f"{self._doses}; the test examples are the same at each"}

    @property
    def methods(self) -> str:
        """How it was compared, in a paragraph for a paper."""
        return methods(without_doses(self.comparison, self.response), [*self._about_doses])

    def drawings(self) -> list[PageFigure]:
        """Draw the figures with their words, in the order of the page."""
        return draw_dose_figures(self.response, self._rows)

    def tables(self) -> Sequence[Table]:
        """All tables, that of the verdicts first."""
        return [self.table, *filter(None, (trend_table(self.response), epochs_table(self.comparison)))]

    def latex(self) -> str:
        """The table of verdicts in LaTeX."""
        return latex_table(self.comparison, f"The losses were compared at {self._doses}.")

    @property
    def _rows(self) -> Comparison:
        """The comparison with a row for each trend; its baseline is named without a dose."""
        return with_trends(self.comparison, self.response)

    @property
    def _doses(self) -> str:
        return doses(self.response.axis, self.response.places)

    @property
    def _about_doses(self) -> list[str]:
        scale = "logarithms of the doses" if self.response.axis.log else "doses"
        lines = [f"losses were compared at {self._doses}, on the same test examples at each"]
        if self.response.trends:
            lines.append(
                "the trend of a loss is the change of its difference from the baseline from the first to the last dose "
                f"along the line fitted by least squares to the {scale}, one more comparison in the same family"
            )
        return lines


def compare_doses(records: Sequence[Record], spec: ComparisonSpec, about: str = "") -> DoseComparison:
    """Compare losses at several doses of the data; the look at them is recorded beside the baseline's runs.

    Args:
        records: runs that are done at several doses of one axis, and others of the same sweep without a result.
        spec: the baseline, the metric and the margin.
        about: what tells these runs from others that are compared at the same time, e.g. "mlp max_epochs=30".

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    response = find_response(records, spec)
    findings, table = combine(response), verdict_table(response)
    if about:
        table = table._replace(title=f"{about}: {table.title}")
    with_all = replace(findings, comparison=with_trends(findings.comparison, response))
    return DoseComparison(findings, table, find_caveats(response, with_all), response, about=about)
