"""What looking again after adding units costs, and how many units a verdict needs at least."""

from lossbench.report.stats.sign_flip import PATTERNS, smallest_p

ALPHA = 0.05


def look_factor(look: int) -> float:
    """Factor of a p-value at the k-th look, which bounds the false alarms of looking again after adding units.

    The first look at a comparison tests at 5 %. Every further look, after units were added, tests at 0.5 %, 0.25 %,
    0.125 %, ...: 1 % halved each time. All looks together stay at 5 % + 0.5 % + 0.25 % + ... <= 6 %, however many there
    are and whenever one stops. A look with too few units to call anything better (`reachable`) decides nothing, so it
    costs nothing and is not counted.

    factor = 1 for look 1, 0.05 / (0.01 / 2^(look - 1)) = 10, 20, 40, ... from look 2 on

    Args:
        look: >= 1, how many times this comparison has been judged, this time included.

    Returns:
        A factor >= 1.

    Raises:
        ValueError: if look < 1.
    """
    if look < 1:
        raise ValueError(f"look must be >= 1, got {look}")
    return 1.0 if look == 1 else 5.0 * 2 ** (look - 1)


def least_units(look: int = 1) -> int | None:
    """Fewest units with which anything is decided: a loss that wins on every unit has a sign-flip p * factor < 5 %.

    Smallest n with 2 / 2^n * look_factor(look) < 5 %: 6 at the first look, 9 at the second. The number of comparisons
    does not matter.

    Args:
        look: >= 1, as in `look_factor`.

    Returns:
        Units, >= 6; None if no number is enough: with more than 16 the test's smallest p is 0.00001.

    Raises:
        ValueError: if look < 1.
    """
    if ALPHA / look_factor(look) <= 1 / (PATTERNS + 1):
        return None
    n = 1
    while not reachable(n, look):
        n += 1
    return n


def reachable(n: int, look: int) -> bool:
    """Whether n units can decide anything at this look; below that every verdict is "undecided".

    Args:
        n: >= 1, units.
        look: >= 1, as in `look_factor`.

    Returns:
        smallest p of the sign-flip test with n units * look_factor(look) < 5 %.
    """
    return smallest_p(n) * look_factor(look) < ALPHA
