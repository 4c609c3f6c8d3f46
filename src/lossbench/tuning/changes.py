"""What tells two questions apart, in words. Torch-free."""

from collections.abc import Iterator, Mapping
from itertools import chain

from lossbench.rundir.identity import differences
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import Plan, Row

NOWHERE = "not searched"


def changes(ours: Plan, theirs: Plan) -> list[str]:
    """List what a question asks otherwise than another one, as "what: theirs -> ours", a clause for each thing.

    The twin is left out: it follows the baseline.

    Args:
        ours: the one that is asked.
        theirs: the one that it is compared with.
    """
    mine, other = _losses(ours), _losses(theirs)
    both = [(mine[name], other[name]) for name in mine if name in other]
    general = [*_general(ours, theirs)]
    lines = [
        *(f"with {name}" for name in mine if name not in other),
        *(f"without {name}" for name in other if name not in mine),
        *general,
        *_for_each_loss([(row, _of_row(row, before, bool(general))) for row, before in both]),
    ]
    return lines or ["the rules"]


def _losses(plan: Plan) -> dict[str, Row]:
    return {row.name: row for row in plan.rows if not row.is_twin}


def _general(ours: Plan, theirs: Plan) -> Iterator[str]:
    """What is no row's: budget, metric, and the settings that all runs have in common."""
    kept, before = ({key: value for key, value in plan.question.items() if key not in APART} for plan in (ours, theirs))
    yield from differences(kept, before)
    shared, earlier = dict(ours.shared), dict(theirs.shared)
    if shared.pop(DATA, None) != earlier.pop(DATA, None):
        yield "other data"
    yield from differences(shared, earlier)


APART = ("rows", "shared")
DATA = "fingerprint"


def _of_row(ours: Row, theirs: Row, explained: bool) -> list[str]:
    """What is otherwise in a loss; that its hash is another one is said only where nothing else says why."""
    mine, other = ({each.key: each for each in row.space.dimensions} for row in (ours, theirs))
    lines = [
        f"range of {key}: {_range(other.get(key))} -> {_range(mine.get(key))}"
        for key in dict.fromkeys((*mine, *other))
        if _range(mine.get(key)) != _range(other.get(key))
    ]
    lines += [f"default of {line}" for line in differences(_kept(ours, other), _kept(theirs, mine))]
    if ours.digest != theirs.digest and not (explained or lines):
        lines.append(f"settings: {' '.join(theirs.overrides)} -> {' '.join(ours.overrides)}")
    return lines


def _kept(row: Row, searched: Mapping[str, Dimension]) -> dict[str, float]:
    """The defaults of what both questions search."""
    return {key: value for key, value in row.default.items() if key in searched}


def _range(dimension: Dimension | None) -> str:
    if dimension is None:
        return NOWHERE
    unit = f" of {dimension.upper}" if dimension.upper else ""
    limits = "" if dimension.limits == (None, None) else f", limits {list(dimension.limits)}"
    return f"{dimension.low:g} to {dimension.high:g}{unit} ({dimension.scale}{limits})"


def _for_each_loss(found: list[tuple[Row, list[str]]]) -> Iterator[str]:
    """Say what is so in all losses once, and of others which loss it is."""
    for line in dict.fromkeys(chain.from_iterable(lines for _, lines in found)):
        names = [row.name for row, lines in found if line in lines]
        yield line if len(names) == len(found) else f"{line} ({', '.join(names)})"
