"""About how long runs take: from earlier runs of the same settings on this machine, else from one timed update."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.earlier import alike_here, key_of
from lossbench.launch.outlook.runs import SizeOf, Sizes
from lossbench.launch.outlook.way import Way
from lossbench.meter import duration
from lossbench.report.formatting import counted
from lossbench.report.records import Record

if TYPE_CHECKING:
    from lossbench.training.timing import Timed

ALIKE = 3  # stacks whose numbers of runs differ by less than this factor take as long for each run
RUN_SECONDS = 0.5  # to build a run and to write its files
PLANNED_SECONDS, WRITTEN_SECONDS = 0.008, 0.02
"""What a run of a stack takes beside its training: to check it and make its directory, and to measure it and write its
files; of a trial, which writes less, a quarter of that."""

Key = frozenset[tuple[str, str]]
"""Settings that decide how long an update takes."""


@dataclass
class Runtime:
    """What runs take, and where that is known from.

    Args:
        seconds: in all, s.
        stacks: the number of runs in each stack.
        earlier: directories of the runs that it is known from.
        timed: settings of which an update was timed, and what was found.
        features: backbone and data -> seconds to compute the features that are not computed yet, once for all runs.
    """

    seconds: float = 0.0
    stacks: list[int] = field(default_factory=list[int])
    earlier: set[Path] = field(default_factory=set[Path])
    timed: dict[Key, "Timed"] = field(default_factory=dict[Key, "Timed"])
    features: dict[str, float] = field(default_factory=dict[str, float])


def runtime_of(
    configs: Sequence[RunConfig],
    sizes: SizeOf,
    earlier: Sequence[Record],
    way: Way,
    timed: "dict[Key, Timed] | None" = None,
) -> Runtime:
    """Estimate what runs take.

    Args:
        configs: of the runs that are to be done, at least one.
        sizes: counts their examples and updates.
        earlier: done runs of the same data and models.
        way: how the launcher runs them.
        timed: what was timed before; what is timed now is added.
    """
    runtime, groups = Runtime(timed={} if timed is None else timed), dict[str | None, list[RunConfig]]()
    for config in configs:
        groups.setdefault(way.group(config), []).append(config)
    single = groups.pop(None, [])
    for members in groups.values():
        if len(members) < way.least:
            single += members
        else:
            runtime.seconds += _stacks(members, sizes(members[0]), earlier, way, runtime)
    work = sum(_alone(config, sizes(config), earlier, runtime) + way.starts for config in single)
    runtime.seconds += work / min(way.at_a_time or 1, max(len(single), 1)) + sum(runtime.features.values())
    return runtime


def words_of(runtime: Runtime, runs: int, way: Way) -> str:
    """Word it, with how sure it is."""
    each = "" if way.at_a_time is not None else f", {duration(runtime.seconds / _tasks(runtime, runs))} each"
    total = f"about {duration(runtime.seconds)}{each}, {_how(runtime, runs, way)}"
    return f"{total}; {_why(runtime)}"


def _how(runtime: Runtime, runs: int, way: Way) -> str:
    stacked = sum(runtime.stacks)
    if not stacked:
        return way.words
    if way.at_a_time is None:
        others = f" and {runs - stacked:,} of one run" if runs > stacked else ""
        tasks = counted(len(runtime.stacks), "task")
        return f"{stacked:,} runs in {tasks} of at most {max(runtime.stacks)}{others}, {way.words}"
    stacks = f"{stacked} stacked in {counted(len(runtime.stacks), 'stack')}"
    return stacks if stacked == runs else f"{stacks}, {runs - stacked} {way.words}"


def _tasks(runtime: Runtime, runs: int) -> int:
    """How many tasks a cluster gets: the stacks, and the runs that are in none."""
    return len(runtime.stacks) + runs - sum(runtime.stacks)


def _why(runtime: Runtime) -> str:
    parts = (
        [f"from {counted(len(runtime.earlier), 'earlier run')} of these settings on this machine"]
        if runtime.earlier
        else []
    )
    if runtime.timed:
        many = f" of each of {len(runtime.timed)} settings" if len(runtime.timed) > 1 else ""
        features = ", and from features computed of one batch" if any(runtime.features.values()) else ""
        parts.append(f"from one timed update{many}{features}, a rough figure: within a factor of 2 or 3")
    return "; ".join(parts)


def _stacks(configs: Sequence[RunConfig], sizes: Sizes, earlier: Sequence[Record], way: Way, runtime: Runtime) -> float:
    """Estimate the stacks of a group, from the largest of them: they hardly differ in size."""
    cut = way.cut(len(configs))
    largest = configs[:: -(-len(configs) // cut[0])]
    each = _stack(largest, sizes, earlier, way, runtime) / len(largest)
    runtime.stacks += cut
    return each * len(configs) + way.starts * len(cut)


def _stack(configs: Sequence[RunConfig], sizes: Sizes, earlier: Sequence[Record], way: Way, runtime: Runtime) -> float:
    config, runs = configs[0], len(configs)
    _note_features(config, runtime)
    beside = runs * (PLANNED_SECONDS + WRITTEN_SECONDS / (4 if config.trial else 1))
    alike = [record for record in alike_here(config, earlier) if _stacks_like(record, runs)]
    if alike:
        runtime.earlier |= {record.path for record in alike}
        return runs * sizes.steps * _pace(alike) + beside
    timed_update(config, runtime)
    return way.time_stack(configs) + beside


def _stacks_like(record: Record, runs: int) -> bool:
    stacked = record.done_result.stacked_runs
    return stacked is not None and runs / ALIKE <= stacked <= runs * ALIKE


def _note_features(config: RunConfig, runtime: Runtime) -> None:
    """Note what the features take that are not computed yet."""
    if config.model.backbone is not None:
        data = config.record["data"]
        images = repr((config.record["model"]["backbone"], data["name"], data.get("root")))
        runtime.features[images] = timed_update(config, runtime).once


def _alone(config: RunConfig, sizes: Sizes, earlier: Sequence[Record], runtime: Runtime) -> float:
    _note_features(config, runtime)
    alike = [record for record in alike_here(config, earlier) if record.done_result.stacked_runs is None]
    if alike:
        runtime.earlier |= {record.path for record in alike}
        return sizes.steps * _pace(alike)
    timed = timed_update(config, runtime)
    evaluated = sizes.epochs * sizes.examples["val"] + sum(sizes.examples[stage] for stage in config.stages)
    return sizes.steps * timed.update + evaluated * timed.example + RUN_SECONDS


def _pace(records: Sequence[Record]) -> float:
    """Seconds for each update, evaluations included."""
    return median(record.done_result.seconds / max(record.done_result.steps, 1) for record in records)


def timed_update(config: RunConfig, runtime: Runtime) -> "Timed":
    """Time an update, once for all runs that cost the same."""
    key = key_of(config)
    if key not in runtime.timed:
        from lossbench.training.timing import time_run  # imports torch

        runtime.timed[key] = time_run(config)
    return runtime.timed[key]
