"""What a docstring says, and formulas for a page. Free of torch."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

SECTIONS = ("Args", "Returns", "Raises", "When to use", "Pitfalls", "Reference")
GREEK: dict[str, str] = dict(
    zip(
        ("alpha", "beta", "gamma", "delta", "epsilon", "theta", "kappa", "lambda", "tau", "pi"),
        ("α", "β", "γ", "δ", "ε", "θ", "κ", "λ", "τ", "π"),
        strict=True,
    )
)
LETTERS = re.compile(rf"(?<![A-Za-z_])({'|'.join(GREEK)})(?![A-Za-z])")


@dataclass(frozen=True)
class Words:
    """The parts of a docstring.

    Args:
        summary: one line.
        formula: what stands between the summary and the first section.
        sections: name of a section -> its text.
    """

    summary: str = ""
    formula: str = ""
    sections: Mapping[str, str] = field(default_factory=dict)

    def said(self, section: str) -> str:
        """The text of a section folded into one line; empty where there is none."""
        return " ".join(self.sections.get(section, "").split())


def words_of(function: object) -> Words:
    """Read the docstring of a function or class."""
    head, *rest = re.split(rf"^({'|'.join(SECTIONS)}):\s*$", inspect.getdoc(function) or "", flags=re.MULTILINE)
    summary, _, formula = head.strip().partition("\n\n")
    sections = {name: inspect.cleandoc(f"\n{text.rstrip()}") for name, text in zip(rest[::2], rest[1::2], strict=True)}
    return Words(" ".join(summary.split()), " ".join(formula.split()), sections)


def as_html(formula: str) -> str:
    """Set a formula: Greek letters, p_y with a lowered y, p^q with a raised q; all else stays as it is written."""
    plain = formula.replace("`", "").replace("<=", "≤").replace(">=", "≥").replace("!=", "≠")
    text = LETTERS.sub(lambda found: GREEK[found[1]], escape(plain))
    text = re.sub(
        r"(?<=[A-Za-zα-ω0-9)|])\^(\([^()]*\)|-?\w+(?:\.\d+)?)", lambda found: f"<sup>{_bare(found[1])}</sup>", text
    )
    text = re.sub(r"_\{([^{}]*)\}", r"<sub>\1</sub>", text)
    text = re.sub(r"(\b[A-Za-z]+|\))_([a-z0-9])\b", r"\1<sub>\2</sub>", text)
    return re.sub(r"(?<![A-Za-z0-9])-(?=[\sA-Za-z0-9(])", "−", text).replace("||", "‖")


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text
