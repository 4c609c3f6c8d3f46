"""The documentation site: README, docs/ and docstrings. `make docs` builds it in build/site."""

import re
from pathlib import Path

from sphinx.application import Sphinx

import lossbench

SRC = Path(__file__).parents[1] / "src"

project = "lossbench"
author = "The lossbench developers"
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = [".*", "build", "conf", "dist", "examples", "runs", "scripts", "src", "tests"]

html_theme = "furo"
html_title = "lossbench"
html_copy_source = False

myst_heading_anchors = 3  # links to headings are checked, too
default_role = "py:obj"  # `name` in a docstring is code, and a link where the name is documented
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries = False
napoleon_custom_sections = [(section, "returns_style") for section in ("When to use", "Pitfalls", "Reference")]

SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)+)", re.MULTILINE)
PAGE = re.compile(r"\]\(([\w./]+)\.md\)")


def add_text(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the navigation to the front page, and docstrings to the pages of docs/api."""
    if page == root_doc:
        source[0] += "".join(navigation(caption, PAGE.findall(text)) for caption, text in SECTION.findall(source[0]))
    elif page == "docs/api/lossbench":
        source[0] += "".join(
            documented(f"lossbench.{name}", "object") for name in lossbench.__all__ if name != "losses"
        )
    elif page.startswith("docs/api/"):
        source[0] += "".join(documented(name, "module") for name in modules(Path(page).name))


def navigation(caption: str, pages: list[str]) -> str:
    """Make a section of the site's navigation from the pages that a section of the front page links to."""
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(dict.fromkeys(pages)) + "\n```\n"


def modules(package: str) -> list[str]:
    """Name the modules of a package of lossbench that have public docstrings."""
    paths = sorted((SRC / "lossbench" / package).rglob("*.py"))
    return [".".join(path.relative_to(SRC).with_suffix("").parts) for path in paths if path.stem != "__init__"]


def documented(name: str, kind: str) -> str:
    """Take what the docstrings of a module, class or function say."""
    if kind == "object":
        kind = "class" if isinstance(getattr(lossbench, name.split(".")[1]), type) else "function"
    members = "" if kind == "function" else "   :members:\n"
    return f"\n## {name}\n\n```{{eval-rst}}\n.. auto{kind}:: {name}\n{members}```\n"


def escape(app: Sphinx, kind: str, name: str, described: object, options: object, lines: list[str]) -> None:
    """Show |x| and x * y of a docstring as they are written; reStructuredText has other uses for both signs."""
    lines[:] = [re.sub(r"[|*]", r"\\\g<0>", line) for line in lines]


def add_front_page(app: Sphinx, error: Exception | None) -> None:
    """Open docs/index.html where the site is opened."""
    Path(app.outdir, "index.html").write_text('<meta http-equiv="refresh" content="0; url=docs/index.html">\n')


def setup(app: Sphinx) -> None:
    """Tell Sphinx about the functions above."""
    app.connect("source-read", add_text)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon
    app.connect("build-finished", add_front_page)
