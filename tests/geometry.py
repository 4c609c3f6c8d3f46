"""Where things of a figure are, for its tests."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

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
    assert [text for text, box in boxes.items() if not lies_within(box, figure.bbox)] == []
    assert [text for text in boxes if not 8 <= float(text.get_fontsize()) <= 10] == []
    assert [(one, two) for (one, a), (two, b) in combinations(boxes.items(), 2) if overlap(a, b)] == []


def lies_within(box: Bbox, frame: BboxBase) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def overlap(a: Bbox, b: Bbox) -> bool:
    """Boxes hold the font's highest and deepest letters: two lines of a text may share a pixel of them."""
    wide, deep = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return wide > 0 and deep > 1
