"""The files of a report. The figures of an earlier report are removed where they are not drawn again."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from lossbench.errors import UserError
from lossbench.plots.page import PageFigure
from lossbench.plots.theme import save
from lossbench.report.records_csv import write_csv
from lossbench.report.tables import Table, markdown
from lossbench.rundir.files import cannot_write, make_folder, write_json, write_text
from lossbench.rundir.reading import read_json

KINDS = ("svg", "pdf")
FIGURES = "figures"
LIST = "figures.json"  # the files in figures/ that a report wrote; no other file is ever removed


def write_table(folder: Path, table: Table) -> None:
    """Write a table as Markdown, and as CSV for programs where it has numbers of its own."""
    columns = list(dict.fromkeys(name for row in table.numbers for name in row))
    if columns:
        write_csv(folder / f"{table.name}.csv", columns, table.numbers)
    write_text(folder / f"{table.name}.md", markdown(table))


def write_figures(folder: Path, figures: Sequence[PageFigure]) -> list[PageFigure]:
    """Write figures as SVG and PDF into figures/, and remove those of an earlier report that are not drawn again.

    Args:
        folder: of the report; figures.json lists the files that lossbench wrote into figures/.
        figures: those of the report.

    Returns:
        The figures with what was saved, for the page.

    Raises:
        UserError: the folder cannot be written, or figures.json is damaged.
    """
    place = folder / FIGURES
    for each in (folder, place):
        make_folder(each)
    earlier = _listed(folder / LIST)
    drawn = {f"{figure.name}.{kind}": figure.figure for figure in figures for kind in KINDS}
    # Listed before they are written: the next report also removes the files of one that was interrupted.
    write_json(folder / LIST, {"figures": sorted({*earlier, *drawn})})
    for name in set(earlier) - set(drawn):
        _remove(place / name)
    saved = {name: save(figure, place / name) for name, figure in drawn.items()}
    write_json(folder / LIST, {"figures": sorted(drawn)})
    return [figure._replace(saved=saved[f"{figure.name}.svg"]) for figure in figures]


def _listed(path: Path) -> list[str]:
    if not path.exists():
        return []
    names = read_json(path).get("figures")
    if not isinstance(names, list) or not all(map(_is_figure, cast(list[object], names))):
        raise UserError(
            f"{path} is damaged: expected a list of the figures beside it; delete it and make the report again"
        )
    return cast(list[str], names)


def _is_figure(name: object) -> bool:
    """Whether it is the plain name of an SVG or PDF file: nothing outside the folder is removed."""
    return isinstance(name, str) and Path(name).name == name and name.endswith(tuple(f".{kind}" for kind in KINDS))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
