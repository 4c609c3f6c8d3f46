"""report.html: everything in one file, nothing fetched, nothing executed."""

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from lossbench.plots.theme import to_svg
from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.figures import Picture
from lossbench.report.records import Record
from lossbench.report.sentences import amount, headline, sentences
from lossbench.report.tables import Table

SHOWN_RUNS = 30
SHOWN_SENTENCES = 12


def render(
    answer: Answer,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    caveats: Sequence[str],
    missing: Sequence[Record],
    about: str = "",
) -> str:
    """Write the report as one HTML page; every text from a run is escaped.

    Args:
        answer: what the runs say.
        tables: the table that answers first.
        pictures: in their order on the page.
        caveats: what to know before believing it.
        missing: runs without a result.
        about: what tells these runs from others that were reported at the same time.

    Returns:
        The page.
    """
    template = page_template("lossbench.report")
    runs = [run for arm in answer.arms for run in arm.runs.values()]
    return template.render(
        style=style_sheet(),
        title=title(answer, about),
        subtitle=_subtitle(answer, runs),
        headline=headline(answer),
        sentences=_first(sentences(answer)),
        caveats=caveats,
        tables=tables,
        legend=_legend(answer),
        pictures=[
            {**picture._asdict(), "svg": to_svg(picture.figure, picture.name, picture.title)} for picture in pictures
        ],
        runs=f"{len(runs)} runs of {len(answer.arms)} losses or settings, started with:",
        commands=_commands(runs),
        facts=list(_facts(answer, runs).items()),
        arms=[{"label": arm.label, "seeds": ranges(list(arm.runs)), "digest": arm.digest[:16]} for arm in answer.arms],
        missing=[_missing(record) for record in missing[:SHOWN_RUNS]],
        files="Beside this page: the tables as CSV and Markdown, records.csv with one row a run, the pictures as SVG and PDF.",
    )


def page_template(package: str) -> Template:
    """Read page.html of a package; what is put into it is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_keep_together
    )
    return environment.from_string(files(package).joinpath("page.html").read_text(encoding="utf-8"))


def style_sheet() -> str:
    """How all pages look, in light and dark."""
    return files("lossbench.report").joinpath("page.css").read_text(encoding="utf-8")


def title(answer: Answer, about: str = "") -> str:
    """What the report is about, and what tells its runs from others."""
    result = next(iter(answer.arms[0].runs.values())).result or {}
    models = sorted({str((run.result or {}).get("model")) for arm in answer.arms for run in arm.runs.values()})
    words = [
        str(result.get("data")),
        *(model for model in models if model not in about.split()),
        *([about] if about else []),
    ]
    return f"Which loss? {', '.join(words)}"


def ranges(numbers: Sequence[int]) -> str:
    """Word whole numbers: 0-4, 7."""
    parts = []
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ", ".join(parts)


def _first(said: Sequence[str]) -> list[str]:
    more = len(said) - SHOWN_SENTENCES
    return [*said[:SHOWN_SENTENCES], f"... and {more} more in the table."] if more > 1 else list(said)


def _keep_together(value: Any) -> Any:
    return value.replace(" %", "\u00a0%") if type(value) is str else value


def _subtitle(answer: Answer, runs: Sequence[Record]) -> str:
    n, split = (runs[0].result or {})["n"], answer.metric.partition("/")[0]
    chosen = f", chosen and calibrated on n = {n['val']:,} validation examples" if split == "test" else ""
    margin = "" if answer.margin is None else f", differences below {amount(answer.margin, answer.unit)} do not matter"
    return f"{answer.metric} on n = {n[split]:,} {split} examples{chosen}{margin}"


def _legend(answer: Answer) -> str:
    said = "IQM is the mean of the middle half of the seeds. "
    if answer.baseline is None:
        return said
    return said + (
        "Differences are turned so that positive is better. p different: sign-flip permutation test of the paired differences, two-sided; "
        "p equivalent: two one-sided t tests at the margin; both corrected for the number of comparisons (Holm) and of looks. Effect d: "
        "mean / standard deviation of the differences. Better in: share of seeds, ties half. ± from test set: how far the mean difference "
        "may move with other test examples. Intervals are 95 %, for each loss alone."
    )


def _commands(runs: Sequence[Record]) -> list[str]:
    found = {shlex.join(map(str, command)): None for run in runs if (command := (run.result or {}).get("command"))}
    return [_as_typed(command) for command in list(found)[:SHOWN_RUNS]]


def _as_typed(command: str) -> str:
    program, space, words = command.partition(" ")
    if program.endswith("/lossbench"):  # the installed command, recorded with its folder
        return f"lossbench{space}{words}"
    return f"python {command}" if program.endswith(".py") else command


def _facts(answer: Answer, runs: Sequence[Record]) -> dict[str, str]:
    def all_of(name: str) -> str:
        return ", ".join(dict.fromkeys(_worded((run.result or {}).get(name)) for run in runs))

    facts = {
        "baseline": answer.baseline.label if answer.baseline else "none",
        "versions": all_of("versions"),
        "git": all_of("git"),
    }
    facts |= {"device": all_of("device"), "engine": all_of("engine"), "data fingerprint": all_of("fingerprint")}
    return facts | {
        "settings of " + (answer.baseline or answer.arms[0]).label: _settings(answer.baseline or answer.arms[0])
    }


def _settings(arm: Arm) -> str:
    groups = (
        "data.batch_size",
        "model.",
        "optimizer.",
        "scheduler.",
        "trainer.max",
        "trainer.precision",
        "augment.",
        "loss.",
    )
    chosen = {key: value for key, value in arm.params.items() if key.startswith(groups) and value not in (None, {}, [])}
    told = {
        key: value
        for key, value in chosen.items()
        if not key.endswith("_target_") or key.startswith(("optimizer", "scheduler"))
    }
    return ", ".join(f"{key}={value}" for key, value in told.items())


def _worded(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{name} {part}" for name, part in value.items()) or "none"


def _missing(record: Record) -> dict[str, str]:
    return {
        "state": record.state,
        "path": "/".join(record.path.resolve().parts[-3:]),
        "reason": str(record.status.get("reason", "")),
    }
