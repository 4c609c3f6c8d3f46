"""The atlas as one HTML page: nothing fetched, nothing executed."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossbench.atlas import sentences
from lossbench.atlas.catalog import Entry
from lossbench.atlas.docstrings import as_html
from lossbench.atlas.measured import Measured
from lossbench.plots.page import PageFigure, page_template, style_sheet

SHOWN = ("When to use", "Pitfalls", "Reference")
SUBTITLE = (
    "What each loss looks like, measured without training and without data. p is the softmax probability of the "
    "true class y, z are the model's outputs. Losses that see more than p are drawn along the same path of "
    "logits; their captions say so."
)
LEGEND = (
    "Falls all the way: no step towards the right answer raises the loss. At chance all logits are equal, as "
    "before the first step; ∂L/∂z is the gradient of the true class's logit, and − means that it is pulled up. "
    "Finite to gap: the difference of two logits up to which loss and gradient are finite when the logits have "
    "this type. Cosine losses depend on how long the outputs are: here all logits are 1."
)
Drawn = tuple[PageFigure, str]  # and its SVG


def render(
    entries: Sequence[Entry],
    found: Mapping[str, Measured | str],
    drawn: Mapping[str, Sequence[Drawn]],
    family: Drawn | None,
    made: str,
) -> str:
    """Write the page; every text from a docstring is escaped.

    Args:
        entries: in their order on the page.
        found: name -> what was measured, or why there is no picture.
        drawn: name -> pictures.
        family: the picture of related losses, if all of them are here.
        made: how the page was made.
    """
    measured = {name: each for name, each in found.items() if not isinstance(each, str)}
    inside = {name: each for name, each in measured.items() if each.path != "error"}
    return page_template("lossbench.atlas").render(
        style=style_sheet(),
        subtitle=SUBTITLE,
        losses=[_loss(entry, found[entry.name], drawn.get(entry.name, [])) for entry in entries],
        table=[sentences.row(name, each) for name, each in inside.items()],
        columns=sentences.columns(inside),
        legend=LEGEND,
        family=family[0].for_page(family[1]) if family else None,
        made=made,
    )


def described(found: Measured | str) -> list[str]:
    """What was measured, in words."""
    if isinstance(found, str):
        return [f"No picture: it is {found}."]
    return [said for said in (sentences.falls(found), sentences.starts(found), sentences.safe(found)) if said]


def _loss(entry: Entry, found: Measured | str, drawn: Sequence[Drawn]) -> dict[str, Any]:
    facts = [(name, text) for name in SHOWN if (text := entry.words.said(name))]
    if isinstance(found, str) and (needs := entry.words.sections.get("Args")):
        facts.insert(0, ("It needs", " ".join(needs.split())))
    return {
        "id": f"loss-{entry.name.replace(':', '.')}",
        "name": entry.name,
        "words": entry.words,
        "formula": as_html(entry.words.formula),
        "sentences": described(found),
        "facts": facts,
        "pictures": [figure.for_page(svg) for figure, svg in drawn],
    }
