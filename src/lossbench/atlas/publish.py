"""From losses to a page, pictures and a line each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

from lossbench.atlas import gallery, sentences
from lossbench.atlas.catalog import Entry
from lossbench.atlas.measure import calls, measure
from lossbench.atlas.measured import Measured
from lossbench.atlas.page import Drawn, render
from lossbench.plots.page import PageFigure
from lossbench.plots.theme import FAINT, GRID, INK, QUIET, to_svg
from lossbench.rundir.files import make_folder, write_text

# The colours of a picture outside a page; it brings its own paper, as the page around it may be of either kind.
ALONE = (
    f"<style>svg {{ --ink: {INK}; --quiet: {QUIET}; --grid: {GRID}; --faint: {FAINT}; background: #ffffff }} "
    "@media (prefers-color-scheme: dark) "
    "{ svg { --ink: #e6edf3; --quiet: #a3adb8; --grid: #3a434d; --faint: #232a32; background: #14181d } }</style>"
)


def publish(entries: Sequence[Entry], known: Mapping[str, Entry], folder: Path, made: str) -> Path:
    """Measure and draw losses, and write the page; prints a line of verdict for each.

    Args:
        entries: the losses of the page, at least one.
        known: registered losses, to compare with.
        folder: where the page and its figures go.
        made: how the page was made.

    Returns:
        The path of atlas.html.

    Raises:
        UserError: the folder cannot be written.
    """
    beside = found_of(known[gallery.BESIDE]) if gallery.BESIDE in known else None
    found, drawn = _measure_and_draw(entries, beside)
    family = _family({entry.name: entry for entry in entries})
    _save([one for each in drawn.values() for one in each] + ([family] if family else []), folder / "figures")
    page = folder / "atlas.html"
    write_text(page, render(entries, found, drawn, family, made))
    for name, each in found.items():
        print(sentences.line(name, each))
    return page


def _measure_and_draw(
    entries: Sequence[Entry], beside: Measured | None
) -> tuple[dict[str, Measured | str], dict[str, list[Drawn]]]:
    found: dict[str, Measured | str] = {}
    drawn: dict[str, list[Drawn]] = {}
    bar = tqdm(entries, desc="atlas", unit="loss", disable=None, leave=False)
    for entry in bar:
        bar.set_postfix_str(entry.name)
        found[entry.name] = each = measure(entry)
        if not isinstance(each, str):
            pictures = gallery.pictures(entry.name, each, None if entry.name == gallery.BESIDE else beside)
            drawn[entry.name] = [_drawn(picture) for picture in pictures]
    return found, drawn


def found_of(entry: Entry) -> Measured | None:
    """What was measured of a loss, if it can be."""
    found = measure(entry)
    return None if isinstance(found, str) else found


def standalone(svg: str) -> str:
    """Make an <svg> of a page a file of its own, in light and dark."""
    end = svg.index(">") + 1
    return f"{svg[:end]}{ALONE}{svg[end:]}\n"


def _family(entries: Mapping[str, Entry]) -> Drawn | None:
    if not set(gallery.FAMILY) <= set(entries):
        return None
    found = {name: calls(entries[name].make()) for name in gallery.FAMILY}
    figure: Figure = gallery.family({name: call for name, call in found.items() if not isinstance(call, str)})
    caption = (
        "Powers of p: 1/p is ruled by the worst examples, −p hardly sees them; cross-entropy's pull stays below 1, "
        "and p^−0.2 follows it closely. Both axes are logarithmic."
    )
    return _drawn(PageFigure("family", "Cross-entropy, dot product, inverse and tuned inverse", caption, figure))


def _drawn(picture: PageFigure) -> Drawn:
    return picture, to_svg(picture.figure, picture.name, picture.title)


def _save(drawn: Sequence[Drawn], folder: Path) -> None:
    make_folder(folder)
    for picture, svg in drawn:
        write_text(folder / f"{picture.name}.svg", standalone(svg))
