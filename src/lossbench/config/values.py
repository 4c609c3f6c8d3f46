"""Rules for single values: each refuses a wrong one in a line with the key, what was found and what is allowed."""

import math
import os
import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from lossbench.config.plain import is_sequence
from lossbench.errors import suggest

Rule = Callable[[str, Any], None]
"""Called with the name of a setting and its value; raises ValueError."""


MOST = 2**32 - 1
"""Of whatever is counted where nothing else sets a limit: seeds have 32 bits, and no run has so many steps."""
LONGEST_PART, LONGEST_PATH = 255, 4096  # bytes: what Linux, macOS and Windows allow in a name, and Linux in a path
MOST_WEIGHTS = 10**9  # between two layers: 4 GB, and three times that with a gradient and Adam's averages
WIDEST_INPUT = 1000  # numbers of an example that any hidden layer must be able to take


def integer(name: str, value: object, low: int, high: int | None = None, why: str = "") -> None:
    """Require a whole number in [low, high], by default up to `MOST`; `why` says to a larger one why it is refused."""
    top = MOST if high is None else high
    if _is_whole(value, low, top):
        return
    too_large = _is_whole(value, top)
    bounded = too_large or (high is not None and not why)
    allowed = f"between {low} and {top}" if bounded else f">= {low}"
    raise ValueError(
        f"{name} must be a whole number {allowed}, got {value!r}" + (f": {why}" if too_large and why else "")
    )


def _is_whole(value: object, low: int, high: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def number(
    name: str, value: Any, low: float, *, above: bool = False, below: float = math.inf, top: float = math.inf
) -> None:
    """Require a finite number >= low (or > low when `above`), < below and <= top."""
    if not is_number(value) or not (low < value if above else low <= value) or not (value < below and value <= top):
        limit = f" and < {below:g}" if below < math.inf else f" and <= {top:g}" if top < math.inf else ""
        raise ValueError(f"{name} must be a number {'>' if above else '>='} {low:g}{limit}, got {value!r}")


def choice(name: str, value: object, options: tuple[object, ...]) -> None:
    """Require one of a few values."""
    if not any(value is option or (type(value) is type(option) and value == option) for option in options):
        raise ValueError(f"{name}={_shown(value)} is not allowed; {suggest(str(value), map(_shown, options))}")


def directory_name(name: str, value: object, longest: int = 100) -> None:
    """Require a name that is safe as a directory, or a part of its name, on every file system."""
    if value is None or isinstance(value, bool | int | float):
        shown = _shown(value)
        kind = "nothing" if value is None else "a truth value" if isinstance(value, bool) else "a number"
        raise ValueError(
            f"{name}={shown} is {kind}, and a name is wanted; write {name}=run_{shown}, "
            f"or with quotes for the shell and for Hydra {name}='\"{shown}\"'"
        )
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.=-]*", value):
        raise ValueError(f"{name} must be a name of letters, digits, '_', '-', '.', got {value!r}")
    if len(value) > longest:
        raise ValueError(f"{name} must be a name of at most {longest} characters, got {len(value)}: {value!r}")


def path_text(name: str, value: object, what: str) -> None:
    """Require a path that an operating system takes, on one line of readable text.

    Args:
        name: of the setting.
        value: to check.
        what: it names, such as "a folder".
    """
    possible_path(name, value, what)
    one_line_path(name, value)


def possible_path(name: str, value: object, what: str) -> None:
    """Require a path that an operating system takes."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be {what}, got {value!r}")
    longest = max(value.split("/"), key=len)
    if len(os.fsencode(longest)) > LONGEST_PART or len(os.fsencode(value)) > LONGEST_PATH:
        raise ValueError(
            f"{name} must be {what}, got a path of {len(value)} characters with a name of {len(longest)}: a name has "
            f"at most {LONGEST_PART} bytes, a path {LONGEST_PATH}"
        )


def one_line_path(name: str, value: object) -> None:
    """Require a path that is one line of readable text: it is written into lists, scripts and messages."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in str(value)):
        raise ValueError(f"{name} must be a path without line breaks and control characters, got {str(value)!r}")


def validation_metric(name: str, value: object) -> None:
    """Require the name of a metric of the validation split."""
    if not re.fullmatch(r"val/\w+", str(value)):
        raise ValueError(f"{name} must be a validation metric such as val/accuracy or val/nll, got {value!r}")


def widths(name: str, value: Any) -> None:
    """Require a list of layer widths whose matrices fit into memory."""
    if not is_sequence(value) or not all(type(width) is int and width > 0 for width in value):
        raise ValueError(f"{name} must be a list of whole numbers > 0 such as [128], got {value!r}")
    most = max((before * width for before, width in pairwise([WIDEST_INPUT, *value])), default=0)
    if most > MOST_WEIGHTS:
        raise ValueError(
            f"{name} must be a list of widths such as [128], got {value!r}: {most:,} weights between two layers take "
            f"{4e-9 * most:,.0f} GB; at most {MOST_WEIGHTS:,} are allowed"
        )


def names(name: str, value: Any, what: str) -> None:
    """Require a list of names, such as those of columns."""
    if not is_sequence(value) or not all(isinstance(each, str | int) and not isinstance(each, bool) for each in value):
        raise ValueError(f"{name} must be a list of {what} such as [a,b], got {value!r}")


def betas(name: str, value: Any) -> None:
    """Require the two decay rates of Adam."""
    if not is_sequence(value) or len(value) != 2:
        raise ValueError(f"{name} must be two numbers such as [0.9,0.999], got {value!r}")
    for part in value:
        number(name, part, 0, below=1)


def crop_areas(name: str, value: Any) -> None:
    """Require the smallest and the largest share of an image that a random crop has."""
    if not is_sequence(value) or len(value) != 2 or not all(map(is_number, value)) or not 0 < value[0] <= value[1] <= 1:
        raise ValueError(f"{name} must be two numbers, 0 < smallest <= largest <= 1, such as [0.35,1], got {value!r}")


def whole(low: int, high: int | None = None, why: str = "") -> Rule:
    """The rule of a whole number, see `integer`."""
    return lambda name, value: integer(name, value, low, high, why)


def real(low: float, *, above: bool = False, below: float = math.inf, top: float = math.inf) -> Rule:
    """The rule of a number, see `number`."""
    return lambda name, value: number(name, value, low, above=above, below=below, top=top)


def one_of(*options: object) -> Rule:
    """The rule of one of a few values."""
    return lambda name, value: choice(name, value, options)


def either(other: object, rule: Rule) -> Rule:
    """The rule of one special value, such as null, or what another rule allows."""

    def check(name: str, value: object) -> None:
        if value is other or (value == other and type(value) is type(other)):
            return
        try:
            rule(name, value)
        except ValueError as error:
            raise ValueError(f"{error}; {_shown(other)} is allowed too") from error

    return check


def is_number(value: Any) -> bool:
    """Whether it is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
