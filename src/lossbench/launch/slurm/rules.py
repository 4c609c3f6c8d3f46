"""Rules for hydra.launcher's settings: each refuses what sbatch would not understand. Torch-free."""

import re
import shlex
from collections.abc import Sequence

from lossbench.errors import UserError

TIME = r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}"  # minutes, minutes:seconds, hours:minutes:seconds, days-hours...
EARLY_SECONDS = 60  # SLURM may send a signal so long before its time


def check_count(name: str, value: object, least: int, *, optional: bool = False) -> None:
    """Require a whole number."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(name, f"a whole number >= {least}{' or null' if optional else ''}", value)


def check_seconds(name: str, value: object) -> None:
    """Require a time in seconds, at most a day."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86400:
        raise _wrong(name, "a number of seconds > 0 and <= 86400", value)


def check_memory(value: object) -> None:
    """Require gigabytes; SLURM reads 0 as all that a node has."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0.001 <= value <= 1e6):  # pyright: ignore[reportOperatorIssue]
        raise _wrong("memory_gb", "a number of gigabytes from 0.001 to 1e6, or null", value)


def check_time(value: object, signal_seconds: int) -> None:
    """Require a time limit that leaves a run time to compute before it has to save."""
    if isinstance(value, bool) or not re.fullmatch(TIME, str(value), re.ASCII):
        raise _wrong("time", "a limit such as 04:00:00, 90 (minutes) or 2-12 (days-hours)", value)
    least = signal_seconds + EARLY_SECONDS
    if 0 < seconds_of(str(value)) <= least:  # SLURM reads 0 as no limit
        allowed = f"longer than {least} s, because a run saves {signal_seconds} s before it (signal_seconds)"
        raise _wrong("time", f"{allowed} and SLURM may ask {EARLY_SECONDS} s early", value)


def seconds_of(time: str) -> int:
    """Read a time limit in SLURM's notation."""
    days, _, rest = time.rpartition("-")
    numbers = [int(number) for number in rest.split(":")]
    if days or len(numbers) == 3:  # hours first
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    return 86400 * int(days or 0) + 3600 * hours + 60 * minutes + seconds


def check_word(name: str, value: object) -> None:
    """Require one word of readable characters."""
    is_word = isinstance(value, str) and bool(value) and value.isprintable() and not re.search(r"[\s#]", value)
    if value is not None and not is_word:
        raise _wrong(name, "one word or null", value)


def check_lines(name: str, value: object) -> None:
    """Require a list of texts of one line."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(name, "a list of lines", value)
    if not all(isinstance(line, str) and not re.search(r"[\0\r\n]", line) for line in value):
        raise _wrong(name, "a list of lines", value)


def check_options(options: Sequence[str]) -> None:
    """Require options as a shell reads them."""
    for option in options:
        try:
            words = shlex.split(option)
        except ValueError:  # a quote that is not closed
            words = []
        if not (option.isprintable() and words and words[0].startswith("-")):
            raise _wrong("sbatch", "a list of options, quoted as in a shell, such as [--exclusive]", list(options))


def _wrong(name: str, allowed: str, found: object) -> UserError:
    return UserError(f"hydra.launcher.{name} must be {allowed}, got {found!r}")
