"""From a tuned study to a report on disk and a verdict in the terminal."""

from hashlib import sha256
from pathlib import Path

from lossbench.escaping import file_name
from lossbench.report.publish import inside_study, write_report
from lossbench.report.records_csv import write_csv
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tuned.chosen import trial_rows
from lossbench.report.tuned.comparison import spec_of
from lossbench.report.tuned.report import compare_tuned
from lossbench.rundir.files import make_folder
from lossbench.tuning.study import Tuned

SHOWN_HASH = 8


def publish_tuned(tuned: Tuned, spec: ComparisonSpec | None = None, folder: Path | None = None) -> Path:
    """Write the report of a fair fight and print its verdict.

    Args:
        tuned: the plan and its winners.
        spec: the baseline, the metric and the margin; None is what the plan says.
        folder: where the report goes; None is <study>.tuned/reports/<data>-<model>-<hash of the plan>.

    Returns:
        The path of report.html.

    Raises:
        UserError: nothing was chosen or tested yet, or the report cannot be written.
    """
    compared = compare_tuned(tuned, spec)
    folder = folder or inside_study(_default_folder(tuned, spec), tuned.study)
    make_folder(folder)
    write_csv(folder / "trials.csv", *trial_rows(tuned))
    return write_report(compared, folder, [*compared.fight.refits.records.values()])


def _default_folder(tuned: Tuned, spec: ComparisonSpec | None) -> Path:
    """The folder of a report: named by the plan; where something else is asked, by that too."""
    plan, asked = tuned.plan, spec_of(tuned.plan, spec)
    name = f"{file_name(plan.data)}-{file_name(plan.model)}-{plan.hash[:SHOWN_HASH]}"
    if asked == spec_of(plan, None):
        return tuned.study / "reports" / name
    digest = sha256(f"{asked.metric}\n{asked.baseline}\n{asked.margin}".encode()).hexdigest()[:SHOWN_HASH]
    return tuned.study / "reports" / f"{name}-{digest}"
