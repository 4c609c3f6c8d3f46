"""What was measured, in words and in a table. Numbers have few digits, so that they are the same on every machine."""

from collections.abc import Mapping
from math import inf, isclose

import numpy as np

from lossbench.atlas.finite import LARGEST
from lossbench.atlas.measured import Chance, Measured
from lossbench.tuning.spaces import Dimension, name_of

COLUMNS = (
    "loss",
    "falls all the way",
    "minimum",
    *(f"{what} at chance, C = {c}" for c in (10, 1000) for what in ("L", "∂L/∂z")),
)
MINUS = "−"
SPREAD = {"log": "evenly in its logarithm", "linear": "evenly"}


def digits(value: float) -> str:
    """Write a number with three digits."""
    if abs(value) < 1e-12:
        return "0"
    rounded = float(f"{value:.3g}")
    text = f"{rounded:.0f}" if 100 <= abs(rounded) < 1e5 else f"{rounded:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", MINUS)


def at_chance(chance: Chance | None, classes: int) -> tuple[float, float] | None:
    """Value and gradient of the true logit at chance for C classes; None where they were not measured."""
    if chance is None or classes not in chance.classes:
        return None
    k = int(np.flatnonzero(chance.classes == classes)[0])
    return float(chance.value[k]), float(chance.gradient[k])


def row(name: str, found: Measured) -> list[str]:
    """The loss's row of the table."""
    starts = [at_chance(found.chance, classes) for classes in (10, 1000)]
    cells = [digits(number) for start in starts for number in (start or ())] if all(starts) else ["–"] * 4
    return [
        name,
        "yes" if found.falls else "no",
        _least(found),
        *cells,
        *(_up_to(gap) for gap in found.finite.values()),
    ]


def columns(found: Mapping[str, Measured]) -> list[str]:
    """Names of the table's columns."""
    dtypes = next((each.finite for each in found.values()), {})
    return [*COLUMNS, *(f"finite to gap, {dtype}" for dtype in dtypes)]


def falls(found: Measured) -> str:
    """The verdict on monotonicity, a sentence."""
    least = _least(found)
    if found.path == "probability" and not found.of_p:
        least += " (the other logits being 1)"
    if found.path == "error":
        return (
            f"It grows with the error on both sides; least {least}."
            if found.falls
            else f"It does not grow everywhere; least {least}."
        )
    if found.falls:
        return f"It falls all the way to the right answer; least {least}."
    return f"It does not fall all the way to the right answer: least {least}, and rises from there."


def safe(found: Measured) -> str:
    """Up to where loss and gradient are finite, a sentence."""
    what = "errors" if found.path == "error" else "logit gaps"
    ends = {name: gap for name, gap in found.finite.items() if gap < inf}
    if not ends:
        return f"Loss and gradient are finite for {what} up to {LARGEST:,.0f} in {', '.join(found.finite)}."
    first = ", ".join(f"{digits(gap)} in {name}" for name, gap in ends.items())
    rest = [name for name in found.finite if name not in ends]
    more = f"; up to {LARGEST:,.0f} in {', '.join(rest)}" if rest else ""
    return f"Loss and gradient are finite for {what} up to {first}{more}."


def starts(found: Measured) -> str:
    """How the loss pulls at chance, a sentence; empty where there are no classes."""
    said = [
        f"L = {digits(start[0])} and ∂L/∂z = {digits(start[1])} with C = {classes}"
        for classes in (2, 10, 1000)
        if (start := at_chance(found.chance, classes)) is not None
    ]
    return f"At chance {'; '.join(said)}." if said else ""


def line(name: str, found: Measured | str) -> str:
    """One line for the terminal."""
    if isinstance(found, str):
        return f"{name}: no picture; it is {found}"
    start = at_chance(found.chance, 1000)
    pull = f"; gradient at chance, C = 1000: {digits(start[1])}" if start else ""
    ends = ", ".join(f"{dtype} {_up_to(gap)}" for dtype, gap in found.finite.items())
    verdict = "falls all the way" if found.falls else "DOES NOT FALL ALL THE WAY"
    if found.path == "error":
        verdict = "grows with the error" if found.falls else "DOES NOT GROW EVERYWHERE"
    return f"{name}: {verdict}, least {_least(found)}{pull}; finite up to {ends}"


def _up_to(gap: float) -> str:
    return f"> {LARGEST:,.0f}" if gap == inf else digits(gap)


def _least(found: Measured) -> str:
    at, value = found.minimum
    if found.path == "error":
        return f"{digits(value)} at error {digits(round(at, 3))}"
    sign = "p" if found.path == "probability" else "cosine"
    end = found.falls or isclose(at, 1, abs_tol=1e-3)
    return f"{digits(_settled(value))} {'towards' if end else 'at'} {sign} = {'1' if end else digits(at)}"


def _settled(value: float) -> float:
    return 0.0 if abs(value) < 1e-4 else value


def range_of(dimension: Dimension) -> str:
    """The range of a setting that a tuned sweep searches."""
    return f"{digits(dimension.low)} to {digits(dimension.high)}, {SPREAD[dimension.scale]}"


def searched(dimension: Dimension) -> str:
    """What a tuned sweep with search.own=tuned searches of one setting, and why, a sentence."""
    return f"{name_of(dimension.key)} from {range_of(dimension)} ({dimension.source})."
