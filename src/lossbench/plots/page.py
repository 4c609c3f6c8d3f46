"""HTML pages of one file: the template, the style sheet and the figures that go into it."""

from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from lossbench.escaping import for_terminal
from lossbench.plots.theme import to_svg


class PageFigure(NamedTuple):
    """A figure with its words.

    Args:
        name: of its files, and of its element on the page.
        title: above it.
        caption: what to see, with n.
        figure: the figure.
        saved: its SVG file, where it has been written: the page need not draw it again.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    saved: bytes | None = None

    def for_page(self, svg: str | None = None) -> dict[str, str]:
        """What a template shows of it: name, title, caption and svg, which is drawn unless it is given."""
        svg = svg or to_svg(self.saved or self.figure, self.name, self.title)
        return {"name": self.name, "title": self.title, "caption": self.caption, "svg": svg}


def page_template(package: str) -> Template:
    """Read page.html of a package, which may include other files there; what is put into it is escaped."""
    folder = files(package)
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_keep_together,
    )
    return environment.get_template("page.html")


def style_sheet() -> str:
    """Read the style of all pages, in light and dark."""
    return files("lossbench.plots").joinpath("page.css").read_text(encoding="utf-8")


def _keep_together(value: Any) -> Any:
    return for_terminal(value).replace(" %", "\u00a0%") if type(value) is str else value
