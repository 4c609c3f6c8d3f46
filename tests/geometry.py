"""Where things of a figure are, for its tests."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

NAMES = [
    "cross_entropy",
    "label_smoothing, alpha=0.1, model.dropout=0.2, trainer.gradient_clip=1, and more words",
    "poly1 $\\epsilon$ = 2 $",
    "one_word_without_any_place_to_break" * 3,
    "_hidden",
    "超 <b>&amp;",
    "asl",
]


def names(n: int) -> list[str]:
    return [NAMES[k] if k < len(NAMES) else f"{k} {NAMES[k % len(NAMES)]}" for k in range(n)]


def texts(figure: Figure) -> dict[Text, Bbox]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible() and text.get_text()]
    return {text: text.get_window_extent(canvas.get_renderer()) for text in found}


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def check_texts(figure: Figure) -> None:
    """Every text lies within the figure and touches no other; a figure fits a phone."""
    boxes = texts(figure)
    assert boxes
    assert figure.get_figwidth() <= 4.6
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
        assert box.y1 <= figure.bbox.y1, text
        assert 8 <= float(text.get_fontsize()) <= 10
    for (one, a), (two, b) in combinations(boxes.items(), 2):
        deep = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        # Boxes hold the font's highest and deepest letters: two lines of a text may share a pixel of them.
        assert deep[0] <= 0 or deep[1] <= 1, (one, two)
