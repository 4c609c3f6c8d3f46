"""Figures and tables of docs/reality_check.md, from docs/reality/ alone."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from reality_doses import dose_table, draw_doses, draw_tiny
from reality_records import rows_of
from reality_start import start_table
from reality_studies import AXES, EPOCHS, EXPERIMENTS, INDEPENDENT

from lossbench.metrics.units import unit_of
from lossbench.plots.forest import ForestRow, draw_forest
from lossbench.plots.theme import save
from lossbench.report.across.data_sets import TWIN, DataSet, LossVerdict, read_data_sets
from lossbench.report.across.findings import Across, compare_across
from lossbench.report.across.publish import rank_figure
from lossbench.report.across.sentences import across_all
from lossbench.report.across.tables import grid_cell, loss_table, named
from lossbench.report.formatting import format_difference, format_score
from lossbench.report.tables import EMPTY, Table, markdown

DECIDED = ("better", "worse")
BLOCK = "<!-- made: {} -->\n"
END = "<!-- end -->"


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
    if all(f"tiny_{n}" in studies for n in EPOCHS):
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
        "start": _table(start_table(studies)),
        "verdicts": "".join(f"- {line}\n" for each in studies.values() for line in _said(each)),
        "grid": _table(_grid(list(studies.values()))),
        "across": _table(loss_table(across)) + "\n" + "\n".join(across_all(across)) + "\n",
        "untuned": _table(_untuned(folder, studies)),
        "twins": _table(_twins(folder, studies)),
        **{name: _table(dose_table(folder, name)) for name in found_doses(folder)},
        "costs": _table(_costs(folder, studies)),
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


def _table(table: Table) -> str:
    """A table in Markdown, without its title."""
    return markdown(table).split("\n\n", 1)[1]


def _said(data_set: DataSet) -> Iterator[str]:
    """The verdicts of one data set in a sentence."""
    base = data_set.losses[data_set.baseline]
    score = format_score(base.mean, unit_of(data_set.metric))
    words = [f"{word} {', '.join(named(data_set, word))}" for word in ("better", "worse") if named(data_set, word)]
    counts = [f"{len(named(data_set, word))} {word}" for word in ("equivalent", "undecided")]
    found = "; ".join([*(words or ["no loss better or worse"]), *counts])
    yield f"**{data_set.name}** ({data_set.baseline} {score} {data_set.metric}, {base.n} replicates): {found}."


def _grid(studies: Sequence[DataSet]) -> Table:
    """Each loss's difference from the baseline on each data set, with its verdict."""
    losses = dict.fromkeys(loss for each in studies for loss in each.losses)
    rows = [[loss, *(grid_cell(each, loss) for each in studies)] for loss in losses if loss != studies[0].baseline]
    scores = [format_score(each.losses[each.baseline].mean, unit_of(each.metric)) for each in studies]
    return Table("grid", "", ["loss", *(each.name for each in studies)], [[studies[0].baseline, *scores], *rows])


def _twins(folder: Path, studies: Mapping[str, DataSet]) -> Table:
    """The baseline against itself: what each study's error control found."""
    rows: list[list[str]] = []
    for name in studies:
        twin = next(row for row in rows_of(folder / name / "verdict.csv") if row["arm"].endswith(TWIN))
        low, mean, high = (100 * float(twin[f"difference_{key}"]) for key in ("low", "mean", "high"))
        rows.append([name, twin["difference_verdict"], f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"])
    return Table("twins", "", ["study", "verdict of the twin", "difference, points"], rows)


def _costs(folder: Path, studies: Mapping[str, DataSet]) -> Table:
    """What each study took."""
    rows: list[list[str]] = []
    for name, data_set in studies.items():
        about = json.loads((folder / name / "study.json").read_text())
        size = [f"{len(data_set.losses)} and a twin", str(data_set.losses[data_set.baseline].n), f"{about['runs']:,}"]
        rows.append([name, *size, f"{about['seconds'] / 60:.0f} min", about["plan"][:8]])
    return Table("costs", "", ["study", "losses", "replicates", "runs", "took", "plan"], rows)


def _untuned(folder: Path, studies: Mapping[str, DataSet]) -> Table:
    """What the declared settings alone would have said, and what is left of it after tuning."""
    rows: list[list[str]] = []
    for name, data_set in studies.items():
        losses = [row for row in rows_of(folder / name / "verdict.csv") if row["default_difference_verdict"] in DECIDED]
        gone = [row for row in losses if row["difference_verdict"] != row["default_difference_verdict"]]
        said = (f"{row['loss']} {row['default_difference_verdict']} ({_points(row, data_set)})" for row in gone)
        rows.append([name, str(len(losses)), str(len(losses) - len(gone)), ", ".join(said) or EMPTY])
    columns = ["study", "better or worse at the defaults", "after tuning too", "not after tuning (points)"]
    return Table("untuned", "", columns, rows)


def _points(row: Mapping[str, str], data_set: DataSet) -> str:
    """The difference at the defaults, and the tuned one."""
    differences = (float(row[f"{name}difference_mean"]) for name in ("default_", ""))
    unit = unit_of(data_set.metric)
    untuned, tuned = (format_difference(value, unit, signed=True, with_unit=False) for value in differences)
    return f"{untuned}, tuned {tuned}"


def _forest(data_set: DataSet) -> Figure:
    """Each loss's difference from the baseline."""
    unit = unit_of(data_set.metric)
    rows = [_forest_row(loss, each, unit.factor) for loss, each in data_set.losses.items() if each.word != "baseline"]
    margin = None if unit.margin is None else unit.factor * unit.margin
    return draw_forest(rows, margin=margin, unit=unit.difference, baseline=data_set.baseline)


def _forest_row(loss: str, each: LossVerdict, factor: float) -> ForestRow:
    return ForestRow(loss, factor * each.difference, factor * each.low, factor * each.high, each.word, each.n)
