"""docs/losses.md and its pictures: made of docstrings and of what the atlas measures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lossbench.atlas import gallery, sentences
from lossbench.atlas.catalog import Entry
from lossbench.atlas.measure import calls, measure
from lossbench.atlas.measured import Measured
from lossbench.atlas.page import LEGEND, SHOWN, described
from lossbench.atlas.publish import standalone
from lossbench.plots.page import PageFigure
from lossbench.plots.theme import to_svg
from lossbench.rundir.files import make_folder, write_text

FOLDER = "img/losses"
HEAD = """# Losses

Made by `lossbench atlas --docs` from the docstrings in `src/lossbench/losses/` and from measurement, without training
and without data; change those, not this file. `lossbench atlas` draws more of each loss on one page: sensitivity to
every setting, value and gradient at chance from 2 to 1,000 classes, and the gradient over two logits.

z are the model's outputs, p = softmax(z), y is the true class. [add_a_loss.md](add_a_loss.md) adds one.
"""


def text_of(entries: Sequence[Entry], found: Mapping[str, Measured | str]) -> str:
    """Write the document.

    Args:
        entries: in their order.
        found: name -> what was measured, or why there is no picture.
    """
    inside = {name: each for name, each in found.items() if not isinstance(each, str) and each.path != "error"}
    names = sentences.columns(inside)
    table = [names, ["---"] * len(names), *(_linked(sentences.row(name, each)) for name, each in inside.items())]
    rows = "\n".join(f"| {' | '.join(row)} |" for row in table)
    family = f"![{' '.join(gallery.FAMILY)}]({FOLDER}/family.svg)\n" if set(gallery.FAMILY) <= set(found) else ""
    return "\n".join([HEAD, rows, "", LEGEND, "", family, *(_section(entry, found[entry.name]) for entry in entries)])


def write_docs(entries: Sequence[Entry], folder: Path) -> Path:
    """Write losses.md and its pictures; pictures of losses that are gone are removed.

    Args:
        entries: all registered losses.
        folder: docs.

    Returns:
        The path of losses.md.

    Raises:
        UserError: the folder cannot be written.
    """
    found = {entry.name: measure(entry) for entry in entries}
    make_folder(folder / FOLDER)
    pictures = _pictures(entries, found)
    for path in (folder / FOLDER).glob("*.svg"):
        if path.stem not in {picture.name for picture in pictures}:
            path.unlink()
    for picture in pictures:
        write_text(
            folder / FOLDER / f"{picture.name}.svg", standalone(to_svg(picture.figure, picture.name, picture.title))
        )
    write_text(folder / "losses.md", text_of(entries, found))
    return folder / "losses.md"


def _pictures(entries: Sequence[Entry], found: Mapping[str, Measured | str]) -> list[PageFigure]:
    beside = found.get(gallery.BESIDE)
    other = None if isinstance(beside, str) else beside
    drawn = [
        PageFigure(
            name, f"{name} along its path", "", gallery.curve(name, each, None if name == gallery.BESIDE else other)
        )
        for name, each in found.items()
        if not isinstance(each, str)
    ]
    family = {
        entry.name: call
        for entry in entries
        if entry.name in gallery.FAMILY and not isinstance(call := calls(entry.make()), str)
    }
    return (
        [*drawn, PageFigure("family", ", ".join(family), "", gallery.family(family))]
        if len(family) == len(gallery.FAMILY)
        else drawn
    )


def _linked(row: Sequence[str]) -> list[str]:
    return [f"[{row[0]}](#{row[0]})", *row[1:]]


def _section(entry: Entry, found: Measured | str) -> str:
    parts = [f"## {entry.name}", entry.words.summary]
    if entry.words.formula:
        parts.append("\n".join(f"    {line}" for line in entry.words.formula.splitlines()))
    if isinstance(found, str):
        parts += described(found)
        parts.append(f"**It needs** {entry.words.said('Args')}" if entry.words.said("Args") else "")
    else:
        parts += [f"![{entry.name}]({FOLDER}/{entry.name}.svg)", " ".join(described(found)), gallery.about_path(found)]
    parts += [f"**{name}.** {_escaped(text)}" for name in SHOWN if (text := entry.words.said(name))]
    parts += [f"**Searched.** {sentences.searched(each)}" for each in entry.ranges.values()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _escaped(text: str) -> str:
    return text.replace("||", r"\|\|")
