"""Caveats about how the runs were tuned, which of them have no result, and what they were made with."""

import json
from collections.abc import Iterator, Sequence

from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import counted
from lossbench.report.records import DAMAGED, Record

MADE_WITH = {
    "versions": "versions of Python, torch or other packages",
    "device": "kinds of device",
    "engine": "engines",
}
MOST_DAMAGED = 10  # named; lossbench status lists all
WITHOUT_RESULT = ("failed", "cancelled", "preempted", "running", "planned")


def about_optimiser(findings: Findings) -> Iterator[str]:
    """One optimiser and one learning rate for all runs."""
    runs = [run.params for run in findings.comparison.runs]
    if len({f"{params.get('optimizer._target_')} {params.get('optimizer.lr')}" for params in runs}) > 1:
        return
    target, rate = runs[0].get("optimizer._target_"), runs[0].get("optimizer.lr")
    name = str(target).rpartition(".")[2]
    if isinstance(rate, int | float):
        yield f"One optimiser and one learning rate only ({name}, {rate:g}): the ranking of losses depends on both."
    else:
        yield f"One optimiser only ({name}): the ranking of losses depends on it."


def about_baseline_settings(findings: Findings) -> Iterator[str]:
    """An untuned or a favoured baseline."""
    yield from _baseline_settings(findings.comparison)


def about_best(findings: Findings) -> Iterator[str]:
    """The best of several losses, and arms that differ in more than the loss."""
    comparison = findings.comparison
    if sum(pair.verdict == "better" for pair in comparison.rivals.values()) > 1:
        yield (
            "The best of several looks better than it is: "
            "the difference in the headline is not corrected for having been picked."
        )
    confounded = sorted({key for arm in comparison.arms for key in arm.settings if not key.startswith("loss.")})
    if confounded:
        yield f"Arms differ in more than the loss: {', '.join(confounded)}."


def about_runs_without_result(findings: Findings) -> Iterator[str]:
    """Settings of which all runs failed, and counts of runs without a result."""
    missing = _not_shown(findings)
    if failed := _settings_without_row(findings):
        yield f"All runs of some settings failed, which therefore have no row here: {', '.join(failed)}."
    for state in WITHOUT_RESULT:
        if count := sum(record.state == state for record in missing):
            yield f"{count} more {'run is' if count == 1 else 'runs are'} {state} and not in this report."
    # A cell has a run for each seed.
    if cells := len({record.path.resolve().parent for record in missing if record.state == "invalid"}):
        yield f"{counted(cells, 'cell is', 'cells are')} invalid: the loss is not defined there."


def _not_shown(findings: Findings) -> list[Record]:
    """The runs without a result but those that diverged, which are outcomes."""
    diverged = [run for arm in findings.comparison.arms for run in arm.diverged.values()]
    shown = {run.path for run in diverged}
    return [record for record in findings.missing if record.path not in shown]


def about_damage(findings: Findings) -> Iterator[str]:
    """Each damaged run directory, and each damaged file of a run that is in the report."""
    lost = [str(record.status["reason"]) for record in findings.missing if record.state == DAMAGED]
    yield from _first([f"Not in this report: {reason}." for reason in lost])
    yield from _first([f"{reason}." for reason in findings.damaged])


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_DAMAGED
    return [*lines[:MOST_DAMAGED], f"... and {more} more of this kind."] if more > 0 else list(lines)


def about_origin(findings: Findings) -> Iterator[str]:
    """Runs made with different packages, devices, engines or code."""
    runs = findings.comparison.runs
    for name, what in MADE_WITH.items():
        if len({json.dumps(getattr(run.done_result, name), sort_keys=True) for run in runs}) > 1:
            yield f"The runs were made with different {what}."
    yield from _code(runs)


def _baseline_settings(comparison: Comparison) -> Iterator[str]:
    baseline = comparison.baseline
    if baseline is None:
        return
    settings = sum(arm.loss == baseline.loss for arm in comparison.arms)
    if settings == 1:
        yield f"{baseline.label} was run with one setting only: a tuned baseline may be better."
    elif comparison.chosen:
        yield (
            f"Of {settings} settings of {baseline.loss} the one with the best mean validation score is the baseline "
            f"({baseline.label}); that favours it a little."
        )


def _settings_without_row(findings: Findings) -> list[str]:
    done = {run.name.digest for arm in findings.comparison.arms for run in (*arm.runs.values(), *arm.diverged.values())}
    failed = [record.name for record in findings.missing if record.state == "failed"]
    return list(dict.fromkeys(name.setting for name in failed if name.digest not in done))


def _code(runs: Sequence[Record]) -> Iterator[str]:
    git = [run.done_result.git for run in runs]
    commits = {str(found.get("commit")) for found in git}
    if len(commits) > 1:
        yield f"The runs were made at {len(commits)} different commits of the code."
    if any(found.get("dirty") for found in git):
        yield "Some runs were made with uncommitted changes in the code."
