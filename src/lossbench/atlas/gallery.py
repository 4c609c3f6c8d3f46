"""Which pictures a loss has, and what stands below them."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from lossbench.atlas import sentences
from lossbench.atlas.catalog import CLASSES
from lossbench.atlas.finite import Call
from lossbench.atlas.measure import along
from lossbench.atlas.measured import Curve, Measured, Swept
from lossbench.atlas.plots import REFERENCE, SHADE, Area, Line, Panel, draw_contour, draw_panels, style
from lossbench.plots.key import Entry as KeyEntry
from lossbench.plots.page import PageFigure

FAMILY = ("cross_entropy", "dot_product", "inverse", "inverse_tuned")
BESIDE = "cross_entropy"
XLABEL = {
    "probability": "probability of the true class p",
    "cosine": "cosine of the true class",
    "error": "output − target",
}
SLOPE = {"probability": "dL/dp", "cosine": "dL/d cosine", "error": "dL/d output"}
GRADIENT = "∂L/∂z of the true class's logit"
ENDS = {"probability": (0.0, 1.0), "cosine": (-1.0, 1.0), "error": (-4.0, 4.0)}


def curve(name: str, found: Measured, beside: Measured | None = None) -> Figure:
    """Draw a loss along its path: value, slope, and the gradient of the true class's logit.

    Args:
        name: of the loss, for the key.
        found: what was measured.
        beside: cross-entropy, drawn in grey, where it has the same path.
    """
    drawn = [(name, found.curve, style(0))]
    if beside is not None and beside.path == found.path == "probability":
        drawn.insert(0, ("cross-entropy", beside.curve, REFERENCE))

    def lines(pick: Callable[[Curve], np.ndarray]) -> list[Line]:
        return [Line(each.x, pick(each), look, rules=look is not REFERENCE) for _, each, look in drawn]

    panels = [
        Panel("L", lines(lambda c: c.value), cut=True),
        Panel(SLOPE[found.path], lines(lambda c: c.slope), cut=True),
    ]
    if found.path == "probability":
        panels.append(Panel(GRADIENT, lines(lambda c: c.gradient), cut=True))
    keys = [KeyEntry(label, line=look) for label, _, look in reversed(drawn)] if len(drawn) > 1 else []
    return draw_panels(panels, XLABEL[found.path], keys, ends=ENDS[found.path])


def chance(found: Measured) -> Figure:
    """Draw value and gradient at chance against the number of classes."""
    assert found.chance is not None
    c = found.chance
    panels = [
        Panel("L where all logits are equal", [Line(c.classes, c.value, style(0))]),
        Panel(GRADIENT, [Line(c.classes, c.gradient, style(1))]),
    ]
    return draw_panels(panels, "number of classes C", [], ends=(float(c.classes[0]), float(c.classes[-1])), log_x=True)


def setting(name: str, swept: Swept, path: str) -> Figure:
    """Draw a loss for some values of one setting, the searched range shaded."""
    drawn = [(f"{name} = {value:g}", each, style(k)) for k, (value, each) in enumerate(swept.curves.items())]
    areas = _areas(swept)
    panels = [
        Panel("L", [Line(each.x, each.value, look) for _, each, look in drawn], cut=True, area=areas[0]),
        Panel(
            GRADIENT if path == "probability" else SLOPE[path],
            [Line(each.x, each.gradient, look) for _, each, look in drawn],
            cut=True,
            area=areas[1],
        ),
    ]
    entries = [KeyEntry(label, line=look) for label, _, look in drawn]
    if swept.searched is not None:
        entries.append(KeyEntry(f"searched: {sentences.range_of(swept.searched.range)}", box=SHADE, alone=True))
    return draw_panels(panels, XLABEL[path], entries, ends=ENDS[path])


def _areas(swept: Swept) -> tuple[Area | None, Area | None]:
    """Give the searched range of the value and of the gradient."""
    if (band := swept.searched) is None:
        return None, None
    return (
        Area(band.low.x, band.low.value, band.high.value),
        Area(band.low.x, band.low.gradient, band.high.gradient),
    )


def family(calls: Mapping[str, Call]) -> Figure:
    """Draw losses of p side by side from p = 0.0001 on: L - L(1), and the size of the true logit's gradient."""
    x = np.geomspace(1e-4, 0.999, 100)
    curves = {name: along(call, x, "probability") for name, call in calls.items()}
    ends = {name: along(call, np.array([1 - 1e-12]), "probability").value[0] for name, call in calls.items()}
    values = [Line(x, each.value - ends[name], style(k)) for k, (name, each) in enumerate(curves.items())]
    sizes = [Line(x, np.abs(each.gradient), style(k)) for k, each in enumerate(curves.values())]
    panels = [Panel("L − L(1)", values, log=True), Panel("|∂L/∂z| of the true class's logit", sizes, log=True)]
    entries = [KeyEntry(name, line=style(k)) for k, name in enumerate(curves)]
    return draw_panels(panels, XLABEL["probability"], entries, ends=(1e-4, 1.0), log_x=True)


def pictures(name: str, found: Measured, beside: Measured | None) -> list[PageFigure]:
    """Draw all pictures of one loss.

    Args:
        name: of the loss.
        found: what was measured.
        beside: cross-entropy.
    """
    stem = name.replace(":", ".")
    drawn = [PageFigure(f"{stem}-curve", "Along its path", about_path(found), curve(name, found, beside))]
    for each, swept in found.swept.items():
        caption = _about_setting(each, swept, found.path)
        drawn.append(PageFigure(f"{stem}-{each}", f"Sensitivity to {each}", caption, setting(each, swept, found.path)))
    if found.chance is not None:
        caption = "All logits are equal, as before the first step: how large the loss starts and how hard it pulls."
        drawn.append(PageFigure(f"{stem}-chance", "At chance", caption, chance(found)))
    if found.contour is not None:
        what = "logit" if found.path == "probability" else "cosine"
        figure = draw_contour(*found.contour, f"true class's {what}", f"another class's {what}")
        drawn.append(
            PageFigure(f"{stem}-contour", "‖∂L/∂z‖ over two logits", f"Three classes; the third {what} is 0.", figure)
        )
    return drawn


def _about_setting(name: str, swept: Swept, path: str) -> str:
    """Name the values for which the loss is not defined, and those for which it rises towards the right answer."""
    said = "The other settings are at their defaults."
    if swept.refused:
        said += f" Not defined for {', '.join(f'{value:g}' for value in swept.refused)}."
    rising = [f"{value:g}" for value, each in swept.curves.items() if (np.diff(each.value) > 1e-9).any()]
    if rising and path != "error":
        said += f" It rises again before the right answer for {name} = {', '.join(rising)}."
    if swept.searched is not None:
        said += f" Shaded: {sentences.searched(swept.searched.range)}"
    return said


def about_path(found: Measured) -> str:
    """Say what the curve runs along."""
    if found.path == "error":
        return "One output against its target."
    if found.path == "cosine":
        return (
            f"C = {CLASSES}: the true class's cosine grows, those of the others are 0. "
            "The loss takes what its head makes: cosines."
        )
    cut = "The other classes share the rest evenly; axes leave out the steepest ends."
    if found.of_p:
        return f"It sees p alone. {cut}"
    return (
        f"It sees the outputs, not p alone: C = {CLASSES}, the other logits are 1 and the true one grows, "
        f"p is their softmax. {cut}"
    )
