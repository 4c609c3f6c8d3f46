"""From run directories to a report on disk and a verdict in the terminal."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from lossbench.errors import UserError
from lossbench.escaping import file_name
from lossbench.report.compare_any import compare
from lossbench.report.comparison import Comparison
from lossbench.report.doses.axis import axis_of
from lossbench.report.files import FIGURES, write_figures, write_table
from lossbench.report.journal import write_head
from lossbench.report.loss_comparison import LossComparison
from lossbench.report.page.render import render
from lossbench.report.records import SHOWN_HASH, Record
from lossbench.report.records_csv import run_rows, write_csv
from lossbench.report.sets import comparable_sets
from lossbench.report.spec import ComparisonSpec
from lossbench.report.transfer.compare import find_transfers
from lossbench.rundir.contents import is_inside
from lossbench.rundir.files import write_text
from lossbench.rundir.transferred import has_answers

PRINTED = 40
TRANSFER = "-transfer"
"""The end of the folder of a report that judges features on other data too: another one keeps its own."""
AT_ONE_DOSE = "--transfer judges features at one dose of the data, and these runs have several; name the runs of one"


def publish(
    records: Sequence[Record],
    spec: ComparisonSpec,
    folder: Path | None = None,
    about: str = "",
    *,
    transfer: bool = False,
) -> Path:
    """Write the report of some comparable runs and print its verdict.

    Args:
        records: runs with a result, at least one; the others are listed in the report.
        spec: the baseline, the metric and the margin.
        folder: where the report goes; None is <study>/reports/<data>-<model>-<hash of the spec and the arms>.
        about: what these runs have in common that others have not, e.g. "mlp max_epochs=30".
        transfer: whether to judge them by their features on other data too, in a report of its own.

    Returns:
        The path of report.html.

    Raises:
        UserError: the runs cannot be compared, or the report cannot be written.
    """
    if transfer and axis_of(records) is not None:
        raise UserError(AT_ONE_DOSE)
    compared = compare(records, spec, about)
    if transfer:
        compared = replace(compared, transfers=find_transfers(compared.comparison))
    place = default_folder(compared.comparison, spec)
    place = place.with_name(f"{place.name}{TRANSFER}") if transfer else place
    folder = folder or inside_study(place, compared.comparison.runs[0].study)
    return write_report(compared, folder, records)


def write_report(compared: LossComparison, folder: Path, records: Sequence[Record]) -> Path:
    """Write the page, the figures and the tables of a comparison into a folder and print its verdict.

    Args:
        compared: what to report.
        folder: where it goes.
        records: the runs of records.csv.

    Returns:
        The path of report.html.

    Raises:
        UserError: they cannot be written.
    """
    tables, figures = compared.tables(), write_figures(folder, compared.drawings())
    for table in tables:
        write_table(folder, table)
    write_csv(folder / "records.csv", *run_rows(records))
    write_text(folder / "verdict.tex", compared.latex())
    write_text(folder / "methods.txt", f"{compared.methods}\n")
    if compared.comparison.head:
        write_head(folder, compared.comparison.head)
    page = folder / "report.html"
    write_text(page, render(compared, tables, figures))
    print(f"\n{compared.text(PRINTED)}\n\nreport: {page}", flush=True)
    return page


def publish_all(
    records: Sequence[Record], spec: ComparisonSpec, folder: Path | None = None, *, transfer: bool = False
) -> None:
    """Write a report for each set of runs that can be compared with each other.

    Losses are compared at the same model, augmentation and budget, and on the same data; what their settings and
    optimisers differ in is part of the comparison. Runs that differ in one number of the data are one report.

    Args:
        records: of any runs, at least one of them done.
        spec: the baseline, the metric and the margin.
        folder: where the report goes; several get folders of their own inside.
        transfer: whether to judge them by their features on other data too; of several sets those that were probed.
    """
    groups = comparable_sets(records)
    for k, (about, group) in enumerate(groups.items(), 1):
        place = folder if folder is None or len(groups) == 1 else folder / str(k)
        asked = transfer and (len(groups) == 1 or any(has_answers(record.path) for record in group))
        publish(group, spec, place, about, transfer=asked)


def inside_study(folder: Path, study: Path) -> Path:
    """Refuse links of a received study that lead a report elsewhere."""
    for place in (folder, folder / FIGURES):
        if not is_inside(place, study):
            raise UserError(f"{place} is a link that leads out of {study}; remove it, or name a folder with --out")
    return folder


def default_folder(comparison: Comparison, spec: ComparisonSpec) -> Path:
    """The folder of a report; the same arms and the same spec have the same one, however many seeds they get."""
    run = comparison.runs[0]
    digests = sorted(arm.digest for arm in comparison.arms)
    parts = [comparison.metric, spec.baseline, str(spec.margin), *digests]
    digest = sha256("\n".join(parts).encode()).hexdigest()[:SHOWN_HASH]
    return run.study / "reports" / f"{file_name(run.done_result.data)}-{file_name(run.done_result.model)}-{digest}"
