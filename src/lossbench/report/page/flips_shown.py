"""The examples on which losses differ, as the page shows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lossbench.errors import one_line
from lossbench.report.comparison import Comparison
from lossbench.report.flips import Example, Flips, find_flips
from lossbench.report.tables import Table, words_cell
from lossbench.report.thumbnails import thumbnails
from lossbench.rundir.reading import DamagedError

MOST_PICTURES = 12  # of each side
ALPHA = 0.05
COLUMNS = ("loss", "against", "only the first right", "only the second right", "both or neither", "McNemar p < 0.05")
LIMITS = (
    "McNemar's test asks whether these two trained models differ on other examples of the kind, for each {unit} by "
    "itself and without a correction; whether the losses differ is what the verdict above says."
)


class Tile(NamedTuple):
    """A picture with its words; an empty picture is none."""

    picture: str
    alt: str
    words: str


class Side(NamedTuple):
    """The examples that one of two losses gets right more often."""

    title: str
    tiles: Sequence[Tile]
    more: str


class FlipsShown(NamedTuple):
    """What the template shows: words, the examples of both sides, and a table of every pair."""

    title: str
    words: str
    sides: Sequence[Side] = ()
    pairs: Table | None = None


def flips_shown(comparison: Comparison) -> FlipsShown | None:
    """Find the flips of a comparison and word them; None where there are none to be found."""
    try:
        flips = find_flips(comparison)
    except DamagedError as error:
        return FlipsShown("Where losses differ", f"{one_line(error)}.")
    if flips is None:
        return None
    first, unit = flips.first, comparison.kind
    shown = [*first.gained[:MOST_PICTURES], *first.lost[:MOST_PICTURES]]
    pictures, reason = thumbnails(comparison.runs[0], [example.id for example in shown])
    words = [_words(first, unit), LIMITS.format(unit=unit), *([f"No pictures: {reason}."] if reason else [])]
    sides = [
        _side(first.ours, first.theirs, first.gained, pictures, comparison),
        _side(first.theirs, first.ours, first.lost, pictures, comparison),
    ]
    return FlipsShown(
        title=f"Where {first.ours} and {first.theirs} differ",
        words=" ".join(words),
        sides=[side for side in sides if side.tiles],
        pairs=_pair_table(flips.pairs, unit) if len(flips.pairs) > 1 else None,
    )


def _words(flips: Flips, unit: str) -> str:
    """The counts of two losses in a sentence or two."""
    tested, units = _span(flips.tested), len(flips.tested)
    mean = f" (means of {units} {unit}s)" if units > 1 else ""
    p = flips.p
    below = sum(value < ALPHA for value in p)
    lowest = f"the lowest p is {min(p):.3f}" if min(p) >= 0.001 else "the lowest p is below 0.001"
    ours, theirs = (f"{counts.mean():.1f}" for counts in (flips.only_ours, flips.only_theirs))
    return (
        f"Of {tested} test examples {flips.ours} alone gets {ours} right and {flips.theirs} alone {theirs}{mean}. "
        f"By McNemar's exact test the models differ (p < 0.05) in {below} of {units} {unit}s; {lowest}."
    )


def _side(
    right: str, wrong: str, examples: Sequence[Example], pictures: Mapping[str, str], comparison: Comparison
) -> Side:
    shown, classes, unit = examples[:MOST_PICTURES], comparison.runs[0].done_result.classes, comparison.kind
    more = f"... and {len(examples) - len(shown)} more." if len(examples) > len(shown) else ""
    tiles = [_tile(example, wrong, pictures, classes, unit) for example in shown]
    return Side(f"Only {right} is right", tiles, more)


def _tile(example: Example, wrong: str, pictures: Mapping[str, str], classes: Sequence[str], unit: str) -> Tile:
    target, said = _name(example.target, classes), _name(example.said, classes)
    times = f"; {example.times} of {example.tested} {unit}s" if example.tested > 1 else ""
    words = f"{target}; {wrong} says {said}{times}"
    return Tile(pictures.get(example.id, ""), f"test example {example.id}: {target}", words)


def _name(label: int, classes: Sequence[str]) -> str:
    return classes[label] if label < len(classes) else str(label)


def _pair_table(pairs: Iterable[Flips], unit: str) -> Table:
    rows: list[list[str]] = []
    for flips in pairs:
        ours, theirs = float(flips.only_ours.mean()), float(flips.only_theirs.mean())
        below = sum(value < ALPHA for value in flips.p)
        same = float(flips.tested.mean()) - ours - theirs
        numbers = [f"{ours:.1f}", f"{theirs:.1f}", f"{same:.1f}", f"{below} of {len(flips.p)} {unit}s"]
        rows.append([words_cell(flips.ours), words_cell(flips.theirs), *numbers])
    return Table("flips", f"Every pair of losses: test examples, in the mean of the {unit}s", COLUMNS, rows)


def _span(numbers: np.ndarray) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
