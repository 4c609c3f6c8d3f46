"""Figures and tables of docs/reality_check.md, from docs/reality/ alone."""

import re
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from reality_doses import dose_table, draw_doses, draw_tiny
from reality_start import start_table
from reality_studies import AXES, EPOCHS, EXPERIMENTS, INDEPENDENT
from reality_tables import cost_table, grid_table, in_markdown, said, twin_table, untuned_table

from lossbench.metrics.units import unit_of
from lossbench.plots.forest import ForestRow, draw_forest
from lossbench.plots.theme import save
from lossbench.report.across.data_sets import DataSet, LossVerdict, read_data_sets
from lossbench.report.across.findings import Across, compare_across
from lossbench.report.across.publish import rank_figure
from lossbench.report.across.sentences import across_all
from lossbench.report.across.tables import loss_table

BLOCK = "<!-- made: {} -->\n"
END = "<!-- end -->"
LEAST_POINTS = 3
"""Numbers of images that make a curve."""


def write_page(docs: Path) -> None:
    """Draw the figures into docs/img/reality/ and put the tables between the marks of the page.

    Args:
        docs: the folder with reality/ and reality_check.md.
    """
    studies = found_studies(docs / "reality")
    pictures = docs / "img" / "reality"
    pictures.mkdir(parents=True, exist_ok=True)
    for data_set in studies.values():
        save(_forest(data_set), pictures / f"{data_set.name}.svg")
    save(rank_figure(across_independent(studies)).figure, pictures / "ranks.svg")
    for name in found_doses(docs / "reality"):
        save(draw_doses(docs / "reality", name), pictures / f"{name}.svg")
    if sum(f"tiny_{n}" in studies for n in EPOCHS) >= LEAST_POINTS:
        save(draw_tiny(docs / "reality"), pictures / "tiny.svg")
    (docs / "reality_check.md").write_text(made_page(docs))


def made_page(docs: Path) -> str:
    """The page with its tables as the records have them."""
    studies = found_studies(docs / "reality")
    texts = blocks(docs / "reality", studies, across_independent(studies))
    return filled((docs / "reality_check.md").read_text(), texts)


def found_doses(folder: Path) -> list[str]:
    """The studies over a number of the data that were kept."""
    return [name for name in AXES if (folder / "doses" / name / "verdict.csv").exists()]


def across_independent(studies: Mapping[str, DataSet]) -> Across:
    """Compare across the studies that share no example."""
    return compare_across([studies[name] for name in INDEPENDENT if name in studies])


def found_studies(folder: Path) -> dict[str, DataSet]:
    """The fair fights that were kept, by name, in the order in which they run."""
    paths = [folder / name / "verdict.csv" for name in EXPERIMENTS]
    return {each.name: each for each in read_data_sets([path for path in paths if path.exists()])}


def blocks(folder: Path, studies: Mapping[str, DataSet], across: Across) -> dict[str, str]:
    """Name -> the text that a block of the page holds."""
    return {
        "start": in_markdown(start_table(studies)),
        "verdicts": "".join(f"- {line}\n" for each in studies.values() for line in said(each)),
        "grid": in_markdown(grid_table(list(studies.values()))),
        "across": in_markdown(loss_table(across)) + "\n" + "\n".join(across_all(across)) + "\n",
        "untuned": in_markdown(untuned_table(folder, studies)),
        "twins": in_markdown(twin_table(folder, studies)),
        **{name: in_markdown(dose_table(folder, name)) for name in found_doses(folder)},
        "costs": in_markdown(cost_table(folder, studies)),
    }


def filled(page: str, texts: Mapping[str, str]) -> str:
    """A page with its blocks made anew.

    Raises:
        ValueError: a block has no text, or a text no block.
    """
    names = re.findall(r"<!-- made: (\S+) -->", page)
    if sorted(names) != sorted(texts):
        raise ValueError(f"the page has the blocks {sorted(names)}, made were {sorted(texts)}")
    for name, text in texts.items():
        start = page.index(BLOCK.format(name)) + len(BLOCK.format(name))
        page = page[:start] + text + page[page.index(END, start) :]
    return page


def _forest(data_set: DataSet) -> Figure:
    """Each loss's difference from the baseline."""
    unit = unit_of(data_set.metric)
    rows = [_forest_row(loss, each, unit.factor) for loss, each in data_set.losses.items() if each.word != "baseline"]
    margin = None if unit.margin is None else unit.factor * unit.margin
    return draw_forest(rows, margin=margin, unit=unit.difference, baseline=data_set.baseline)


def _forest_row(loss: str, each: LossVerdict, factor: float) -> ForestRow:
    return ForestRow(loss, factor * each.difference, factor * each.low, factor * each.high, each.word, each.n)
