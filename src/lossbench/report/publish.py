"""From run directories to a report on disk and a verdict in the terminal."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from lossbench.report.caveats import find_caveats
from lossbench.report.comparable import comparable_sets
from lossbench.report.comparison import Comparison
from lossbench.report.cost_table import cost_table
from lossbench.report.figures import draw_figures
from lossbench.report.files import write_figures, write_table, write_text
from lossbench.report.findings import find
from lossbench.report.page import render
from lossbench.report.records import SHOWN_HASH, Record
from lossbench.report.records_csv import run_rows, write_csv
from lossbench.report.sentences import headline
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tables import Table, for_terminal
from lossbench.report.verdict_table import verdict_table

IN_TERMINAL = ("loss", "verdict", "difference", "its 95 %", "p different", "p equivalent", "n seeds", "mean ±", "95 %")
PRINTED = 40


def publish(records: Sequence[Record], spec: ComparisonSpec, folder: Path | None = None, about: str = "") -> Path:
    """Write the report of some comparable runs and print its verdict.

    Args:
        records: runs with a result, at least one; the others are listed in the report.
        spec: the baseline, the metric and the margin.
        folder: where the report goes; None is <study>/reports/<data>-<model>-<hash of the spec and the arms>.
        about: what tells these runs from others that were reported at the same time, e.g. "mlp max_epochs=30".

    Returns:
        The path of report.html.

    Raises:
        UserError: the runs cannot be compared, or the report cannot be written.
    """
    findings = find(records, spec)
    comparison, verdicts, costs = findings.comparison, verdict_table(findings), cost_table(findings)
    if about:
        verdicts = verdicts._replace(title=f"{about}: {verdicts.title}")
    caveats = find_caveats(findings)
    folder = folder or default_folder(comparison, spec)
    figures = draw_figures(findings)
    write_figures(folder, figures)
    for table in (verdicts, costs):
        write_table(folder, table)
    write_csv(folder / "records.csv", *run_rows(records))
    page = folder / "report.html"
    write_text(page, render(findings, (verdicts, costs), figures, caveats, about))
    print(_verdict(comparison, verdicts, caveats, page), flush=True)
    return page


def publish_all(records: Sequence[Record], spec: ComparisonSpec, folder: Path | None = None) -> None:
    """Write a report for each set of runs that can be compared with each other.

    Losses are compared at the same model, augmentation and budget, and on the same data; what their settings and
    optimisers differ in is part of the comparison.

    Args:
        records: of any runs, at least one of them done.
        spec: the baseline, the metric and the margin.
        folder: where the report goes; several get folders of their own inside.
    """
    groups = comparable_sets(records)
    for k, (about, group) in enumerate(groups.items(), 1):
        publish(group, spec, folder if folder is None or len(groups) == 1 else folder / str(k), about)


def default_folder(comparison: Comparison, spec: ComparisonSpec) -> Path:
    """The folder of a report; the same arms and the same spec have the same one, however many seeds they get."""
    run = next(iter(comparison.arms[0].runs.values()))
    digests = sorted(arm.digest for arm in comparison.arms)
    parts = [comparison.metric, spec.baseline, str(spec.margin), *digests]
    digest = sha256("\n".join(parts).encode()).hexdigest()[:SHOWN_HASH]
    return run.study / "reports" / f"{run.facts.get('data')}-{run.facts.get('model')}-{digest}"


def _verdict(comparison: Comparison, table: Table, caveats: Sequence[str], page: Path) -> str:
    shown = table._replace(rows=table.rows[:PRINTED])
    more = f"\n... and {len(table.rows) - PRINTED} more in the report" if len(table.rows) > PRINTED else ""
    notes = "".join(f"\n  - {caveat}" for caveat in caveats)
    before = f"\n\nBefore you believe it:{notes}" if notes else ""
    cells = for_terminal(shown, IN_TERMINAL)
    return f"\n{table.title}\n\n{cells}{more}\n\n{headline(comparison)}{before}\n\nreport: {page}"
