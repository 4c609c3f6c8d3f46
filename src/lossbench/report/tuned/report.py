"""A fair fight as one object: what its report prints and shows, as a comparison of plain runs does."""

from collections.abc import Sequence
from dataclasses import dataclass

from lossbench.plots.page import PageFigure
from lossbench.report.figures import draw_figures
from lossbench.report.formatting import counted
from lossbench.report.loss_comparison import Lead, LossComparison
from lossbench.report.page.about_data import about_data
from lossbench.report.papers.latex import latex_table
from lossbench.report.papers.methods import methods
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tables import Table
from lossbench.report.tuned.budget import budget_table
from lossbench.report.tuned.caveats import find_caveats
from lossbench.report.tuned.chosen import chosen_table
from lossbench.report.tuned.comparison import FairFight, find_fair_fight
from lossbench.report.tuned.figures import AFTER, draw_fair_figures
from lossbench.report.tuned.methods import tuning_caption, tuning_described, tuning_methods
from lossbench.report.tuned.sentences import about_trials, headline, sentences
from lossbench.report.tuned.verdict_table import tuned_table
from lossbench.tuning.study import Tuned

SEARCH = ("trials", "chosen", "budget")  # what the names of its figures and tables begin with


@dataclass(frozen=True, repr=False)
class TunedComparison(LossComparison):
    """Which loss is better when each is tuned with the same budget; shown as a table in a terminal and in a notebook.

    Args:
        fight: the tuned losses, the same at their defaults, and what was chosen between.
    """

    fight: FairFight

    @property
    def headline(self) -> str:
        """The answer in a few sentences, with what it looked like at the defaults."""
        return headline(self.fight)

    @property
    def verdicts_at_the_defaults(self) -> dict[str, str]:
        """Loss -> what it would have been called untuned."""
        return {label: pair.verdict for label, pair in self.fight.defaults.paired.items()}

    @property
    def sentences(self) -> list[str]:
        """One sentence for each loss but the baseline, and for each range that was too narrow."""
        return sentences(self.fight)

    @property
    def lead(self) -> Lead | None:
        """The score after n trials, and where losses cross."""
        return Lead(AFTER, about_trials(self.fight), SEARCH)

    @property
    def description(self) -> dict[str, str]:
        """What was compared on what, with which budget: heading -> sentence."""
        return {**about_data(self.comparison), **tuning_described(self.fight)}

    @property
    def methods(self) -> str:
        """How it was tuned and compared, in a paragraph for a paper."""
        return methods(self.comparison, [*tuning_methods(self.fight)])

    def drawings(self) -> list[PageFigure]:
        """Draw the figures with their words, those of the search first."""
        return [*draw_fair_figures(self.fight), *draw_figures(self.findings)]

    def tables(self) -> Sequence[Table]:
        """All tables, that of the verdicts first."""
        first, *others = super().tables()
        return [first, chosen_table(self.fight.refits.tuned), budget_table(self.fight.refits), *others]

    def latex(self) -> str:
        """The table of verdicts in LaTeX."""
        return latex_table(self.comparison, tuning_caption(self.fight))


def compare_tuned(tuned: Tuned, spec: ComparisonSpec | None = None) -> TunedComparison:
    """Compare the losses of a fair fight; the look at them is recorded beside the refits.

    Args:
        tuned: the plan and its winners.
        spec: the baseline, the metric and the margin; None is what the plan says.

    Raises:
        UserError: no refit is done, or the metric or the baseline does not exist.
    """
    fight = find_fair_fight(tuned, spec)
    about = f"tuned with {counted(tuned.plan.trials, 'trial')}"
    return TunedComparison(fight.findings, tuned_table(fight), find_caveats(fight), fight, about=about)
