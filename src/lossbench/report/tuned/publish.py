"""From a tuned study to a report on disk and a verdict in the terminal."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from lossbench.escaping import file_name
from lossbench.report.publish import TRANSFER, inside_study, publish_all, write_report
from lossbench.report.records_csv import write_csv
from lossbench.report.spec import DEFAULT_BASELINE, ComparisonSpec
from lossbench.report.transfer.compare import find_transfers
from lossbench.report.tuned.chosen import trial_rows
from lossbench.report.tuned.comparison import spec_of
from lossbench.report.tuned.found import Found
from lossbench.report.tuned.report import compare_tuned
from lossbench.rundir.files import make_folder
from lossbench.tuning.study import Tuned

SHOWN_HASH = 8


def publish_tuned(
    tuned: Tuned, spec: ComparisonSpec | None = None, folder: Path | None = None, *, transfer: bool = False
) -> Path:
    """Write the report of a fair fight and print its verdict.

    Args:
        tuned: the plan and its winners.
        spec: the baseline, the metric and the margin; None is what the plan says.
        folder: where the report goes; None is <study>.tuned/reports/<data>-<model>-<hash of the plan>.
        transfer: whether to judge them by their features on other data too, in a report of its own.

    Returns:
        The path of report.html.

    Raises:
        UserError: nothing was chosen or tested yet, or the report cannot be written.
    """
    compared = compare_tuned(tuned, spec)
    if transfer:
        compared = replace(compared, transfers=find_transfers(compared.comparison, tuned.plan.hash))
    place = _default_folder(tuned, spec)
    place = place.with_name(f"{place.name}{TRANSFER}") if transfer else place
    folder = folder or inside_study(place, tuned.study)
    make_folder(folder)
    write_csv(folder / "trials.csv", *trial_rows(tuned))
    return write_report(compared, folder, [*compared.fight.refits.records.values()])


def publish_found(
    found: Found,
    baseline: str | None,
    metric: str | None,
    margin: float | None,
    folder: Path | None,
    *,
    transfer: bool = False,
) -> None:
    """Write a report for each fair fight, and for each set of plain runs that can be compared with each other.

    Args:
        found: fair fights and runs.
        baseline: what the others are compared with; None is what was planned, cross_entropy of plain runs.
        metric: what is compared; None is what was planned, the test value of what plain runs monitor.
        margin: differences below it do not matter; None is what was planned or is customary.
        folder: where the report goes; several get folders of their own inside.
        transfer: whether to judge them by their features on other data too.
    """
    several = len(found.tuned) + bool(found.records) > 1
    for tuned in found.tuned:
        place = folder / file_name(tuned.plan.folder) if folder and several else folder
        publish_tuned(tuned, spec_of(tuned.plan, baseline, metric, margin), place, transfer=transfer)
    if found.records:
        place = folder / "runs" if folder and several else folder
        publish_all(
            found.records, ComparisonSpec(baseline or DEFAULT_BASELINE, metric, margin), place, transfer=transfer
        )


def _default_folder(tuned: Tuned, spec: ComparisonSpec | None) -> Path:
    """The folder of a report: named by the plan; where something else is asked, by that too."""
    plan = tuned.plan
    name = f"{file_name(plan.data)}-{file_name(plan.model)}-{plan.hash[:SHOWN_HASH]}"
    if spec in (None, spec_of(plan)):
        return tuned.study / "reports" / name
    digest = sha256(str(spec).encode()).hexdigest()[:SHOWN_HASH]
    return tuned.study / "reports" / f"{name}-{digest}"
