"""What plan=true prints, and what a sweep that decides nothing says at its start."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from lossbench.config.facts import Cache, split_replicate
from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.comparisons import PlannedComparison, planned_comparisons
from lossbench.launch.outlook.disk import disk_of
from lossbench.launch.outlook.disk import words_of as disk_words
from lossbench.launch.outlook.earlier import earlier_runs, key_of
from lossbench.launch.outlook.runs import Run, SizeOf, counts
from lossbench.launch.outlook.runtime import Runtime, runtime_of, timed_update
from lossbench.launch.outlook.runtime import words_of as runtime_words
from lossbench.launch.outlook.way import Way
from lossbench.report.looks import read_history
from lossbench.report.records import Record
from lossbench.report.spec import ComparisonSpec

NOTHING_DONE = "nothing has been run or written; the same command without plan=true does it"
FORCED = "force=true: what is done already would be archived and run anew"


def outlook(
    runs: Sequence[Run],
    way: Way,
    spec: ComparisonSpec | None,
    cache: Cache,
    *,
    repeated: int = 0,
    forced: bool = False,
) -> list[str]:
    """Say what runs would take and decide.

    Args:
        runs: all runs of the command, checked.
        way: how they would be run.
        spec: what the report would compare; None for a single run, or without a report.
        cache: of data sets.
        repeated: jobs that are the same run as an earlier one.
        forced: whether runs that are done are to be done anew.

    Returns:
        Lines for the terminal.
    """
    valid, sizes = [run for run in runs if run.state != "invalid"], SizeOf(cache)
    earlier = _earlier(valid)
    lines = [counts(runs, repeated), *([FORCED] if forced else [])]
    lines += data_lines((run.config for run in valid), cache)
    lines += _costs(valid, sizes, earlier, way)
    lines += _decisions(valid, sizes, earlier, spec)
    return [*lines, NOTHING_DONE]


def data_lines(configs: Iterable[RunConfig], cache: Cache) -> list[str]:
    """Say what the data of some runs are, once for all replicates of a data set.

    Args:
        configs: of the runs, checked.
        cache: of data sets.
    """
    kinds: dict[str, RunConfig] = {}
    for config in configs:
        kinds.setdefault(repr(split_replicate(config.data.source)[0].record), config)
    lines = (cache.source(config.data.source).about_lines(config.data.name) for config in kinds.values())
    return [*dict.fromkeys(chain.from_iterable(lines))]


def warnings_of(runs: Sequence[Run], spec: ComparisonSpec, cache: Cache) -> list[str]:
    """What a sweep says at its start about comparisons that decide nothing: a line each.

    Args:
        runs: all runs of the sweep, checked.
        spec: what the report compares.
        cache: of data sets.
    """
    from lossbench.launch.outlook.decide import outlook_of, warning_of  # scipy takes a second to import

    valid = [run for run in runs if run.state != "invalid"]
    earlier = _earlier(valid)
    found = [warning_of(each, outlook_of(each, earlier)) for each in _planned(valid, SizeOf(cache), spec)]
    return [line for line in dict.fromkeys(found) if line is not None]


def _earlier(runs: Sequence[Run]) -> list[Record]:
    """The earlier runs of each data set and model, once."""
    found: dict[Path, Record] = {}
    kinds = {(run.config.data.name, run.config.model.name, run.runs_dir): run for run in runs}
    for run in kinds.values():
        found |= {record.path: record for record in earlier_runs(run.config, run.runs_dir)}
    return list(found.values())


def _costs(valid: Sequence[Run], sizes: SizeOf, earlier: Sequence[Record], way: Way) -> Iterator[str]:
    to_do = [run for run in valid if run.state == "to do"]
    if not to_do:
        return
    configs = [run.config for run in to_do]
    yield from way.chosen(configs)
    runtime = runtime_of(configs, sizes, earlier, way)
    yield f"time: {runtime_words(runtime, len(to_do), way)}"
    each = _disk(to_do, sizes, earlier, runtime)
    yield f"disk: {disk_words(each, len(to_do), to_do[0].runs_dir)}"


def _disk(runs: Sequence[Run], sizes: SizeOf, earlier: Sequence[Record], runtime: Runtime) -> Mapping[str, float]:
    """What a run leaves on the disk, in the mean over all: one of each kind is estimated."""
    kinds: dict[object, list[RunConfig]] = {}
    for run in runs:
        kinds.setdefault((key_of(run.config), sizes(run.config).steps), []).append(run.config)
    mean: dict[str, float] = {}
    for configs in kinds.values():
        config = configs[0]
        found = disk_of(config, sizes(config), earlier, lambda config=config: timed_update(config, runtime))
        for name, size in found.items():
            mean[name] = mean.get(name, 0.0) + size * len(configs) / len(runs)
    return mean


def _decisions(
    valid: Sequence[Run], sizes: SizeOf, earlier: Sequence[Record], spec: ComparisonSpec | None
) -> Iterator[str]:
    if spec is None:
        return
    comparisons = _planned(valid, sizes, spec)
    if not comparisons and not all(run.config.trial for run in valid):
        yield f"comparison: none; the runs have no {spec.baseline} to compare with, or nothing beside it"
    for each in comparisons:
        yield from decision(each, earlier)


def _planned(valid: Sequence[Run], sizes: SizeOf, spec: ComparisonSpec) -> list[PlannedComparison]:
    """The comparisons of a sweep, after what the journals of their studies say."""
    compared = [run.config for run in valid if not run.config.trial]
    comparisons = planned_comparisons(compared, sizes, spec)
    runs_dir = valid[0].runs_dir
    return [each.after(read_history(runs_dir / each.config.study)) for each in comparisons]


def decision(comparison: PlannedComparison, earlier: Sequence[Record]) -> Iterator[str]:
    """Say what is asked in a comparison, of how many, and what it can decide."""
    from lossbench.launch.outlook.decide import outlook_of, words_of  # scipy takes a second to import

    yield f"question: {comparison.question()}"
    yield f"family: {comparison.family()}"
    yield f"decides: {words_of(comparison, outlook_of(comparison, earlier))}"
