"""report.html: everything in one file, nothing fetched, nothing executed."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from lossbench.plots.page import PageFigure, page_template, style_sheet
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings
from lossbench.report.formatting import format_difference
from lossbench.report.records import Record
from lossbench.report.sentences import headline, sentences
from lossbench.report.tables import Table

SHOWN_RUNS = 30
SHOWN_SENTENCES = 12
FILES = "Beside this page: the tables as CSV and Markdown, records.csv with one row a run, the pictures as SVG and PDF."
IQM = "IQM is the mean of the middle half of the seeds. "
PAIRED = (
    "Differences are turned so that positive is better. "
    "p different: sign-flip permutation test of the paired differences, two-sided; "
    "p equivalent: two one-sided t tests at the margin; "
    "both corrected for the number of comparisons (Holm) and of looks. "
    "Effect d: mean / standard deviation of the differences. "
    "Better in: share of seeds, ties half. "
    "± from test set: how far the mean difference may move with other test examples. "
    "Intervals are 95 %, for each loss alone."
)
SHOWN_SETTINGS = (
    "data.batch_size", "model.", "optimizer.", "scheduler.", "trainer.max", "trainer.precision", "augment.", "loss.",
)  # fmt: skip


def render(
    findings: Findings,
    tables: Sequence[Table],
    figures: Sequence[PageFigure],
    caveats: Sequence[str],
    about: str = "",
) -> str:
    """Write the report as one HTML page; every text from a run is escaped.

    Args:
        findings: what the report is made from.
        tables: the table of verdicts first.
        figures: in their order on the page.
        caveats: what limits the comparison.
        about: what these runs have in common that others reported at the same time have not.

    Returns:
        The page.
    """
    comparison = findings.comparison
    return page_template("lossbench.report").render(
        style=style_sheet(),
        title=title(comparison, about),
        subtitle=_subtitle(comparison),
        headline=headline(comparison),
        sentences=_first(sentences(comparison)),
        caveats=caveats,
        tables=tables,
        legend=IQM if comparison.baseline is None else IQM + PAIRED,
        figures=[figure.for_page() for figure in figures],
        runs=f"{len(comparison.runs)} runs of {len(comparison.arms)} losses or settings, started with:",
        commands=_commands(comparison.runs),
        facts=list(_facts(comparison).items()),
        arms=[_arm(arm) for arm in comparison.arms],
        missing=[_missing(record) for record in findings.missing[:SHOWN_RUNS]],
        files=FILES,
    )


def title(comparison: Comparison, about: str = "") -> str:
    """The data, the models, and what these runs have in common that others have not."""
    models = sorted({run.done_result.model for run in comparison.runs})
    words = [comparison.runs[0].done_result.data, *(model for model in models if model not in about.split())]
    return f"Which loss? {', '.join([*words, about] if about else words)}"


def ranges(numbers: Iterable[int]) -> str:
    """Write whole numbers as ranges: 0-4, 7."""
    parts: list[str] = []
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ", ".join(parts)


def _first(found: Sequence[str]) -> list[str]:
    more = len(found) - SHOWN_SENTENCES
    return [*found[:SHOWN_SENTENCES], f"... and {more} more in the table."] if more > 1 else list(found)


def _subtitle(comparison: Comparison) -> str:
    n, split, margin = comparison.runs[0].done_result.n, comparison.split, ""
    chosen = f", chosen and calibrated on n = {n['val']:,} validation examples" if split == "test" else ""
    if comparison.margin is not None:
        margin = f", differences below {format_difference(comparison.margin, comparison.unit)} do not matter"
    return f"{comparison.metric} on n = {n[split]:,} {split} examples{chosen}{margin}"


def _commands(runs: Sequence[Record]) -> list[str]:
    words = (run.done_result.command for run in runs)
    commands = dict.fromkeys(shlex.join(map(str, command)) for command in words if command)
    return [_as_typed(command) for command in list(commands)[:SHOWN_RUNS]]


def _as_typed(command: str) -> str:
    program, space, words = command.partition(" ")
    if program.endswith("/lossbench"):  # the installed command, recorded with its folder
        return f"lossbench{space}{words}"
    return f"python {command}" if program.endswith(".py") else command


def _facts(comparison: Comparison) -> dict[str, str]:
    def all_of(name: str) -> str:
        return ", ".join(dict.fromkeys(_in_words(getattr(run.done_result, name)) for run in comparison.runs))

    arm = comparison.baseline or comparison.arms[0]
    return {
        "baseline": comparison.baseline.label if comparison.baseline else "none",
        "versions": all_of("versions"),
        "git": all_of("git"),
        "device": all_of("device"),
        "engine": all_of("engine"),
        "data fingerprint": all_of("fingerprint"),
        f"settings of {arm.label}": _settings(arm.params),
    }


def _settings(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in params.items() if _is_shown(key, value))


def _is_shown(key: str, value: Any) -> bool:
    if not key.startswith(SHOWN_SETTINGS) or value in (None, {}, []):
        return False
    return not key.endswith("_target_") or key.startswith(("optimizer", "scheduler"))


def _in_words(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    parts = cast(Mapping[str, Any], value)
    return ", ".join(f"{name} {part}" for name, part in parts.items()) or "none"


def _arm(arm: Arm) -> dict[str, str]:
    return {"label": arm.label, "seeds": ranges(arm.runs), "digest": arm.digest[:16]}


def _missing(record: Record) -> dict[str, str]:
    return {
        "state": record.state,
        "path": "/".join(record.path.resolve().parts[-3:]),
        "reason": str(record.status.get("reason", "")),
    }
