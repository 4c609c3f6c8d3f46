"""From the verdicts of several data sets to tables in the terminal and files."""

from collections.abc import Sequence
from pathlib import Path

from lossbench.plots.page import PageFigure
from lossbench.plots.ranks import draw_ranks
from lossbench.report.across.data_sets import DataSet
from lossbench.report.across.findings import Across, compare_across
from lossbench.report.across.sentences import sentences
from lossbench.report.across.tables import data_set_table, loss_table
from lossbench.report.files import write_figures, write_table
from lossbench.report.tables import aligned


def publish_across(data_sets: Sequence[DataSet], folder: Path | None = None) -> Across:
    """Print what the verdicts of several data sets say together.

    Args:
        data_sets: at least two, with one baseline.
        folder: where data_sets.csv, losses.csv, their Markdown and figures/ranks.svg go; None writes nothing.

    Returns:
        What was found.
    """
    across = compare_across(data_sets)
    tables = [data_set_table(across), loss_table(across)]
    for table in tables:
        print(f"\n{table.title}\n\n{aligned(table)}")
    print("", *sentences(across), sep="\n", flush=True)
    if folder is not None:
        write_figures(folder, [rank_figure(across)])
        for table in tables:
            write_table(folder, table)
        print(f"\nwritten: {folder}", flush=True)
    return across


def rank_figure(across: Across) -> PageFigure:
    """Draw the mean ranks with their critical difference."""
    ranks = {loss: each.rank for loss, each in across.of_loss.items()}
    n = len(across.data_sets)
    drawn = draw_ranks(ranks, across.critical_difference, baseline=across.baseline, n=n)
    return PageFigure("ranks", "Mean ranks", "Losses whose bars do not overlap are told apart.", drawn)
