"""budget=MINUTES: as many trials and replicates of every loss as fit a time, and never fewer than can decide."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile

from lossbench.errors import UserError
from lossbench.meter import duration

PER_DIMENSION = 8
"""Trials for each searched setting, at least."""
STAIRS = ((1, 12), (2, 24), (4, 96))
"""Multiples of the fewest trials, and the replicates that come before the next multiple."""


@dataclass(frozen=True)
class Rung:
    """What is spent on every loss.

    Args:
        trials: of each loss in each replicate.
        replicates: pairs of a split and a seed.
    """

    trials: int
    replicates: int

    def __str__(self) -> str:
        return f"{self.trials} trials and {self.replicates} replicates"


@dataclass(frozen=True)
class Cost:
    """What a fair fight takes, s.

    Args:
        rows: losses, the baseline's twin among them.
        trial: a trial, s.
        refit: a run that is tested, s.
        once: whatever the number of runs: features that are computed, the report.
    """

    rows: int
    trial: float
    refit: float
    once: float = 0.0

    def __call__(self, rung: Rung) -> float:
        """Seconds of a whole study."""
        each = rung.trials * self.trial + expected_refits(rung.trials) * self.refit
        return self.once + self.rows * rung.replicates * each


def prefixes(trials: int) -> list[int]:
    """Numbers of trials after which a choice is tested: 1, 2, 4, ... and all of them.

    Args:
        trials: >= 1, of each loss in each replicate.
    """
    doubled = [2**k for k in range(trials.bit_length())]
    return doubled if doubled[-1] == trials else [*doubled, trials]


def expected_refits(trials: int) -> float:
    """How many different trials are the best after 1, 2, 4, ... trials, where their order says nothing.

    The best of m trials is not among the first n with chance 1 - n / m, so 1 + sum over neighbours (1 - n / m):
    1 + log2(trials) / 2 for a power of two.

    Args:
        trials: >= 1, of each loss in each replicate.
    """
    return 1 + sum(1 - n / m for n, m in pairwise(prefixes(trials)))


def ladder(dimensions: int, least: int) -> Iterator[Rung]:
    """List what can be spent, from the least that can decide upwards.

    Replicates first, up to 12, since a verdict needs them most; then twice the trials, and so on.

    Args:
        dimensions: >= 0, searched settings of the loss that has most.
        least: >= 1, replicates without which nothing can be decided.
    """
    fewest, replicates = PER_DIMENSION * max(dimensions, 1), least
    for multiple, usual in STAIRS:
        most = max(usual, replicates)
        yield from (Rung(multiple * fewest, each) for each in range(replicates, most + 1))
        replicates = most


def choose(minutes: float, cost: Callable[[Rung], float], dimensions: int, least: int) -> Rung:
    """Give the most trials and replicates that fit a time.

    Args:
        minutes: > 0.
        cost: seconds of a study; grows with both numbers.
        dimensions: searched settings of the loss that has most.
        least: replicates without which nothing can be decided.

    Raises:
        UserError: not even the least that can decide fits.
    """
    fitting = list(takewhile(lambda rung: cost(rung) <= 60 * minutes, ladder(dimensions, least)))
    if not fitting:
        raise UserError(_too_little(minutes, cost, next(ladder(dimensions, least))))
    return fitting[-1]


def _too_little(minutes: float, cost: Callable[[Rung], float], rung: Rung) -> str:
    seconds = cost(rung)
    return (
        f"budget={minutes:g} (minutes) is too little: the least that can decide, {rung} of every loss, takes about "
        f"{duration(seconds)}; give budget={-(-seconds // 60):.0f}, or compare fewer losses"
    )
