"""From run directories to a report on disk and a verdict in the terminal."""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from lossbench.plots.theme import save
from lossbench.report.arms import named, telling
from lossbench.report.caveats import caveats
from lossbench.report.comparison import Answer, Question, answer
from lossbench.report.figures import Picture, draw_pictures
from lossbench.report.measures import measure_arms
from lossbench.report.page import render
from lossbench.report.records import SHOWN_HASH, Record, comparable_by, rows, write_csv
from lossbench.report.sentences import headline
from lossbench.report.tables import Table, for_terminal, markdown, more_table, verdict_table
from lossbench.rundir.files import cannot_write, write_atomic

IN_TERMINAL = ("loss", "verdict", "difference", "its 95 %", "p different", "p equivalent", "n seeds", "mean ±", "95 %")
PRINTED = 40
# What draw_pictures calls its files: in a folder of the user's nothing else is touched.
DRAWN = re.compile(r"(forest|seeds|curves|calibration|cost|(swept|heatmap)_.+)\.(svg|pdf)")
# What may differ between the arms of one comparison.
COMPARED = ("loss", "head", "optimizer", "scheduler", "yardsticks")


def publish(records: Sequence[Record], question: Question, folder: Path | None = None, about: str = "") -> Path:
    """Write the report of some comparable runs and print its verdict.

    Args:
        records: runs with a result, at least one; the others are listed in the report.
        question: what is asked of them.
        folder: where the report goes; None is <study>/reports/<data>-<model>-<hash of what is asked>.
        about: what tells these runs from others that were reported at the same time, e.g. "mlp max_epochs=30".

    Returns:
        The path of report.html.

    Raises:
        UserError: the runs cannot be compared, or the report cannot be written.
    """
    done, missing = (
        [record for record in records if record.result is not None],
        [record for record in records if record.result is None],
    )
    found = answer(done, question, missing)
    measures, threshold = measure_arms(found)
    tables = [verdict_table(found, measures), more_table(found, measures, threshold)]
    if about:
        tables[0] = tables[0]._replace(title=f"{about}: {tables[0].title}")
    warnings = caveats(found, measures, missing)
    folder = folder or default_folder(found, question)
    page = _write(folder, found, tables, draw_pictures(found, measures, missing), warnings, records, about)
    print(_verdict(found, tables[0], warnings, page), flush=True)
    return page


def publish_all(records: Sequence[Record], question: Question, folder: Path | None = None) -> None:
    """Write a report for each set of runs that can be compared with each other.

    Losses are compared at the same model, augmentation and budget, and on the same data; what their settings and optimisers differ in
    is part of the comparison.

    Args:
        records: of any runs, at least one of them done.
        question: what is asked of them.
        folder: where the report goes; several get folders of their own inside.
    """
    groups = by_question(records)
    for k, (about, group) in enumerate(groups.items()):
        publish(group, question, folder if folder is None or len(groups) == 1 else folder / str(k + 1), about)


def by_question(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Split runs into sets that can be compared; a run without a result goes with the others of its setting, else to every set.

    Returns:
        What a set has in common that others have not, e.g. "mlp max_epochs=30" ("" where there is one set) -> its runs.
    """
    done = [record for record in records if record.result is not None]
    told = telling({str((record.result or {})["hash"]): record.params for record in done})
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in done:
        apart = {
            key: value for key, value in told[(record.result or {})["hash"]].items() if not key.startswith(COMPARED)
        }
        groups.setdefault((str(sorted(comparable_by(record).items())), named(apart)), []).append(record)
    missing = [record for record in records if record.result is None]
    settings = {record.named[:2] for record in done}
    found: dict[str, list[Record]] = {}
    for (_, apart), group in groups.items():
        elsewhere = settings - {record.named[:2] for record in group}
        about = _new(apart if len(groups) > 1 else "", found)
        found[about] = [*group, *(record for record in missing if record.named[:2] not in elsewhere)]
    return found


def _new(name: str, taken: Mapping[str, object]) -> str:
    return name if name not in taken else f"{name} ({len(taken) + 1})".strip()


def default_folder(found: Answer, question: Question) -> Path:
    """The same arms and the same question have the same folder, however many seeds they get."""
    run = next(iter(found.arms[0].runs.values()))
    result: Mapping[str, object] = run.result or {}
    asked = [found.metric, question.baseline, str(question.margin), *sorted(arm.digest for arm in found.arms)]
    digest = sha256("\n".join(asked).encode()).hexdigest()[:SHOWN_HASH]
    return run.path.resolve().parents[1] / "reports" / f"{result.get('data')}-{result.get('model')}-{digest}"


def _write(
    folder: Path,
    found: Answer,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    warnings: Sequence[str],
    records: Sequence[Record],
    about: str,
) -> Path:
    names = {picture.name for picture in pictures}
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for path in (folder / "figures").iterdir():
            if DRAWN.fullmatch(path.name) and path.stem not in names:  # of an earlier report of other runs
                path.unlink()
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
    _write_text(folder / "report.html", render(found, tables, pictures, warnings, missing, about))
    return folder / "report.html"


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode(errors="replace")))


def _verdict(found: Answer, table: Table, warnings: Sequence[str], page: Path) -> str:
    shown = table._replace(rows=table.rows[:PRINTED])
    more = f"\n... and {len(table.rows) - PRINTED} more in the report" if len(table.rows) > PRINTED else ""
    notes = "".join(f"\n  - {warning}" for warning in warnings)
    before = f"\n\nBefore you believe it:{notes}" if notes else ""
    return f"\n{table.title}\n\n{for_terminal(shown, IN_TERMINAL)}{more}\n\n{headline(found)}{before}\n\nreport: {page}"
