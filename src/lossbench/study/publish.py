"""From run directories to a report on disk and a verdict in the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from lossbench.contract.files import cannot_write, write_atomic
from lossbench.study.answer import Answer, Question, answer
from lossbench.study.caveats import caveats
from lossbench.study.measures import measure_arms
from lossbench.study.page import render
from lossbench.study.pictures import Picture, draw_pictures
from lossbench.study.plots.theme import save
from lossbench.study.records import SHOWN_HASH, Record, comparable_by, rows, write_csv
from lossbench.study.tables import Table, for_terminal, markdown, more_table, verdict_table
from lossbench.study.words import headline

IN_TERMINAL = ("loss", "verdict", "difference", "its 95 %", "corrected", "n seeds", "mean ±", "95 %")
PRINTED = 40


def publish(records: Sequence[Record], question: Question, folder: Path | None = None) -> Path:
    """Write the report of some comparable runs and print its verdict.

    Args:
        records: runs with a result, at least one; the others are listed in the report.
        question: what is asked of them.
        folder: where the report goes; None is <study>/reports/<data>-<model>-<hash of what is compared>.

    Returns:
        The path of report.html.

    Raises:
        UserError: the runs cannot be compared, or the report cannot be written.
    """
    done, missing = [record for record in records if record.result is not None], [record for record in records if record.result is None]
    found = answer(done, question)
    measures, threshold = measure_arms(found)
    tables = [verdict_table(found, measures), more_table(found, measures, threshold)]
    warnings = caveats(found, measures, missing)
    folder = folder or default_folder(found)
    page = _write(folder, found, tables, draw_pictures(found, measures, missing), warnings, records)
    print(_verdict(found, tables[0], warnings, page), flush=True)
    return page


def by_question(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Split runs into those that can be compared; runs without a result go to every group."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.result is not None:
            groups.setdefault(str(sorted(comparable_by(record).items())), []).append(record)
    for group in groups.values():
        yield [*group, *(record for record in records if record.result is None)]


def default_folder(found: Answer) -> Path:
    """The same arms have the same folder, however many seeds they get."""
    run = next(iter(found.arms[0].runs.values()))
    result: Mapping[str, object] = run.result or {}
    asked = sorted(arm.digest for arm in found.arms)
    digest = sha256("\n".join([found.metric, *asked]).encode()).hexdigest()[:SHOWN_HASH]
    return run.path.resolve().parents[1] / "reports" / f"{result.get('data')}-{result.get('model')}-{digest}"


def _write(
    folder: Path, found: Answer, tables: Sequence[Table], pictures: Sequence[Picture], warnings: Sequence[str], records: Sequence[Record]
) -> Path:
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    for picture in pictures:
        for kind in ("svg", "pdf"):
            save(picture.figure, folder / "figures" / f"{picture.name}.{kind}")
    for table in tables:
        columns = list(dict.fromkeys(name for row in table.numbers for name in row))
        write_csv(folder / f"{table.name}.csv", columns, table.numbers)
        _write_text(folder / f"{table.name}.md", markdown(table))
    write_csv(folder / "records.csv", *rows(records))
    missing = [record for record in records if record.result is None]
    _write_text(folder / "report.html", render(found, tables, pictures, warnings, missing))
    return folder / "report.html"


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode(errors="replace")))


def _verdict(found: Answer, table: Table, warnings: Sequence[str], page: Path) -> str:
    shown = table._replace(rows=table.rows[:PRINTED])
    more = f"\n... and {len(table.rows) - PRINTED} more in the report" if len(table.rows) > PRINTED else ""
    notes = "".join(f"\n  - {warning}" for warning in warnings)
    before = f"\n\nBefore you believe it:{notes}" if notes else ""
    return f"\n{table.title}\n\n{for_terminal(shown, IN_TERMINAL)}{more}\n\n{headline(found)}{before}\n\nreport: {page}"
