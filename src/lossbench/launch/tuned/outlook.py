"""What a fair fight takes and what it can decide, said before it starts. Torch-free until an update is timed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.comparisons import PlannedComparison
from lossbench.launch.outlook.disk import disk_of, in_bytes
from lossbench.launch.outlook.earlier import earlier_runs
from lossbench.launch.outlook.runs import SizeOf
from lossbench.launch.outlook.runtime import Runtime, runtime_of, timed_update
from lossbench.launch.outlook.way import Way
from lossbench.launch.tuned.fight import Fight
from lossbench.meter import duration
from lossbench.report.looks import read_history
from lossbench.report.records import Record
from lossbench.tuning.budget import expected_refits

USUAL = (16, 12)
"""Trials and replicates of the study that a budget's times are estimated from."""


@dataclass(frozen=True)
class Kinds:
    """One trial and one refit of each row, with the settings as declared.

    Args:
        trials: configurations of trials.
        refits: of refits.
    """

    trials: Sequence[RunConfig]
    refits: Sequence[RunConfig]


@dataclass(frozen=True)
class Times:
    """What runs take, s.

    Args:
        trials: all trials.
        refits: all refits.
        once: features, which all of them share; a part of neither.
        stacks: how many stacks they are trained in.
    """

    trials: float
    refits: float
    once: float
    stacks: int = 0


class Outlook:
    """Estimates for the runs of a fair fight.

    Args:
        kinds: one run of each row.
        sizes: counts examples and updates.
        earlier: done runs of these data and this model.
        way: how runs are brought to their results.
    """

    def __init__(self, kinds: Kinds, sizes: SizeOf, earlier: Sequence[Record], way: Way) -> None:
        self.kinds, self.sizes, self.earlier, self.way = kinds, sizes, earlier, way
        self._timed = Runtime()

    def times(self, trials: int, refits: int) -> Times:
        """Estimate so many trials and refits of all rows together."""
        of_trials, once, stacks = self._seconds(self.kinds.trials, trials)
        of_refits, again, more = self._seconds(self.kinds.refits, refits)
        return Times(of_trials, of_refits, max(once, again), stacks + more)

    def _seconds(self, configs: Sequence[RunConfig], runs: int) -> tuple[float, float, int]:
        """Seconds that so many runs take, of their features, and how many stacks they make."""
        if not runs:
            return 0.0, 0.0, 0
        spread = [configs[k % len(configs)] for k in range(runs)]
        runtime = runtime_of(spread, self.sizes, self.earlier, self.way, self._timed.timed)
        once = sum(runtime.features.values())
        return runtime.seconds - once, once, len(runtime.stacks)

    def disk(self, trials: int, refits: int) -> float:
        """Estimate what so many runs leave on the disk, bytes."""
        return trials * self._bytes(self.kinds.trials[0]) + refits * self._bytes(self.kinds.refits[0])

    def _bytes(self, config: RunConfig) -> float:
        return sum(
            disk_of(config, self.sizes(config), self.earlier, lambda: timed_update(config, self._timed)).values()
        )


def outlook_of(fight: Fight, kinds: Kinds, way: Way) -> Outlook:
    """Read what is known of runs like these."""
    return Outlook(kinds, SizeOf(fight.cache), earlier_runs(kinds.refits[0], fight.asked.runs_dir), way)


def refits_in(fight: Fight, replicates: int) -> int:
    """About how many runs are tested in so many replicates."""
    return round(len(fight.entries) * replicates * expected_refits(fight.plan.trials))


def time_line(outlook: Outlook, trials: int, refits: int) -> str:
    """Word what trials and refits take."""
    times = outlook.times(trials, refits)
    features = f", {duration(times.once)} of it for features" if times.once else ""
    total = times.trials + times.refits + times.once
    parts = (
        f"{trials:,} trials {duration(times.trials)}, about {refits:,} runs that are tested {duration(times.refits)}"
    )
    tasks = f"; {times.stacks:,} tasks, {outlook.way.words}" if times.stacks and outlook.way.at_a_time is None else ""
    return f"time: about {duration(total)}, within a factor of 2 or 3 ({parts}{features}){tasks}"


def disk_line(outlook: Outlook, trials: int, refits: int) -> str:
    """Word what they leave on the disk."""
    return f"disk: about {in_bytes(outlook.disk(trials, refits))}"


def comparison_of(fight: Fight, config: RunConfig, sizes: SizeOf) -> PlannedComparison:
    """The comparison that the report will hold, after what the journal says."""
    plan = fight.plan
    others: Mapping[str, str] = {row.name: row.digest for row in plan.rows if row.name != plan.baseline}
    planned = PlannedComparison(
        config=config,
        metric=plan.metric,
        margin=plan.margin,
        baseline=plan.baseline,
        others=[*others],
        units=len(fight.replicates),
        sizes=sizes(config),
        digests=[plan.row(plan.baseline).digest, *others.values()],
    )
    return planned.after(read_history(fight.asked.folder))
