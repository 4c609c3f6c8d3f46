"""Docstrings taken apart, and formulas set."""

import pytest

from lossbench import losses
from lossbench.atlas.docstrings import as_html, words_of


def test_a_docstring_comes_apart() -> None:
    words = words_of(losses.inverse)
    assert words.summary == "One over the true class's probability: dominated by the worst examples."
    assert words.formula == "L = 1 / p_y; beyond e^60 it continues linearly in -log p_y."
    assert words.said("Reference") == "`power` at q = -1, plus 1."
    assert words.said("Args").startswith("logits: (batch, C), any real values. target:")
    assert "11.1" in words.said("Pitfalls")
    assert words_of(lambda: None).summary == ""


@pytest.mark.parametrize(
    ("formula", "html"),
    [
        ("L = (1 - p_y^q) / q", "L = (1 − p<sub>y</sub><sup>q</sup>) / q"),
        ("p_y^-0.2", "p<sub>y</sub><sup>−0.2</sup>"),
        ("cos(pi/2 alpha p_y + beta)", "cos(π/2 α p<sub>y</sub> + β)"),
        ("xent_weight ||z||", "xent_weight ‖z‖"),
        ("<b>L</b> & |e| <= 1", "&lt;b&gt;L&lt;/b&gt; &amp; |e| ≤ 1"),
        ("softmax(z)_y", "softmax(z)<sub>y</sub>"),
    ],
)
def test_formulas(formula: str, html: str) -> None:
    assert as_html(formula) == html
