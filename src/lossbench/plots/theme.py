"""How the figures of a report look, and how they get into the page and into files."""

import re
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from lossbench.rundir.files import write_atomic

INK = "#1f2328"  # text, axes
QUIET = "#59636e"  # secondary text
GRID = "#d1d9e0"  # grid lines
FAINT = "#eaeef2"  # shaded areas
VARIABLES = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--grid)", FAINT: "var(--faint)"}
# Okabe and Ito: distinguished by the colour-blind.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = "osD^vP"
DASHES = ("solid", (0.0, (5.0, 2.0)), (0.0, (1.2, 1.4)), (0.0, (6.0, 1.5, 1.2, 1.5)), (0.0, (10.0, 2.5)))
SVG = "http://www.w3.org/2000/svg"
PIXELS = 96 / 72  # of CSS, in a point
METADATA = {"svg": dict.fromkeys(("Date", "Creator", "Format", "Type")), "pdf": {"CreationDate": None}}


def colour(k: int) -> str:
    """Colour of the k-th series, k >= 0; six of them, in turn."""
    return COLOURS[k % len(COLOURS)]


def marker(k: int) -> str:
    """Marker of the k-th series, k >= 0; shifted at each turn of the colours, so that the first 18 pairs differ."""
    return MARKERS[(k + k // len(COLOURS)) % len(MARKERS)]


def dashes(k: int) -> str | tuple[float, tuple[float, ...]]:
    """Line style of the k-th series, k >= 0, for matplotlib; the first 18 pairs with colour and with marker differ."""
    return DASHES[(k + k // len(COLOURS)) % len(DASHES)]


def to_svg(figure: Figure | bytes, name: str, title: str) -> str:
    """Turn a figure into an <svg> element to put into a page; the page's CSS sets --ink, --quiet, --grid and --faint.

    Args:
        figure: any figure, or what `save` has written of it as NAME.svg, which saves drawing it again; the four colours
            of the theme become the CSS variables.
        name: what no other figure of the page is called; ids start with its hash.
        title: read by screen readers in place of the figure.

    Returns:
        The element, without reference to anything outside it, the same at every call. Its width and height are in CSS
        pixels; with max-width: 100% and height: auto it shrinks to narrow pages.
    """
    root = ElementTree.fromstring(figure if isinstance(figure, bytes) else _render(figure, "svg", name, "none"))
    _remove_white(root)
    prefix = f"f{sha256(name.encode()).hexdigest()[:10]}-"
    for parent in root.iter():
        for child in list(parent):
            if child.tag == f"{{{SVG}}}style":  # would hold for every picture of the page
                parent.remove(child)
    for element in root.iter():
        _tidy(element, prefix)
    width, height = (float(number) * PIXELS for number in root.attrib["viewBox"].split()[2:])
    style = "font-family: system-ui, sans-serif; stroke-linejoin: round; stroke-linecap: butt"
    title = "".join(sign if sign.isprintable() else " " for sign in title)  # XML has no control characters
    size = {"width": f"{width:.6g}", "height": f"{height:.6g}", "viewBox": root.attrib["viewBox"]}
    root.attrib = {"xmlns": SVG, **size, "role": "img", "aria-label": title, "style": style}
    element = ElementTree.Element("title")
    element.text = title
    root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode")


def save(figure: Figure, path: Path) -> bytes:
    """Write a figure on white, whole or not at all, with the same bytes at every call.

    Args:
        figure: any figure.
        path: ends in .svg or .pdf; its folder exists.

    Returns:
        What was written.

    Raises:
        ValueError: another ending.
        UserError: the disk is full or the folder cannot be written.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in METADATA:
        raise ValueError(f"path must end in .svg or .pdf, got {path.name}")
    content = _render(figure, kind, path.stem, "white")
    write_atomic(path, lambda file: file.write(content))
    return content


def _remove_white(root: ElementTree.Element) -> None:
    """Make the background that `save` paints transparent: the patch of the figure itself, which is the first."""
    patch = root.find(f".//{{{SVG}}}g[@id='patch_1']/{{{SVG}}}path")
    if patch is not None and patch.get("style") == "fill: #ffffff":
        corners = patch.attrib["d"]
        first = corners.partition("L")[0].replace("M", "L")
        patch.attrib |= {"style": "fill: none", "d": corners.replace("z", f"{first}z")}  # as matplotlib draws outlines


def _render(figure: Figure, kind: str, salt: str, background: str) -> bytes:
    buffer = BytesIO()
    with matplotlib.rc_context(
        {"svg.hashsalt": salt, "svg.fonttype": "none", "pdf.fonttype": 42, "savefig.bbox": None}
    ):
        figure.savefig(buffer, format=kind, metadata=METADATA[kind], facecolor=background)
    return buffer.getvalue()


def _tidy(element: ElementTree.Element, prefix: str) -> None:
    """Prefix the ids, put in the CSS variables, round to 1/100 point and drop what a page does not need."""
    element.tag = element.tag.rpartition("}")[2]  # HTML needs no namespaces
    if element.tag != "text":
        element.text = None  # layout
    element.tail = None
    kept = {
        key.rpartition("}")[2]: value for key, value in element.attrib.items() if not value.startswith("rotate(-0 ")
    }
    element.attrib = {key: _attribute(key, value, prefix) for key, value in kept.items()}


def _attribute(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return prefix + value
    if key == "href":
        return f"#{prefix}{value.removeprefix('#')}"
    if key in ("d", "x", "y", "transform"):
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", " ".join(value.split()))
    value = re.sub(r"font: [^;]*?([\d.]+px)[^;]*", r"font-size: \1", value)  # matplotlib before 3.10
    value = re.sub(r"font-family: [^;]*;? ?", "", value).replace("url(#", f"url(#{prefix}")
    return re.sub("#[0-9a-f]{6}", lambda found: VARIABLES.get(found[0], found[0]), value)
