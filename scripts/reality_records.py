"""From the report of a study to the small files that are kept of it."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from reality_studies import AXES

from lossbench.report.records_csv import write_csv

DIGITS = 6  # of a number that is kept
VERDICT = (
    "arm", "loss", "metric", "baseline", "n", "mean", "sd", "low", "high", "trials", "range_too_narrow", "default_mean",
    "difference_n", "difference_mean", "difference_low", "difference_high", "difference_p_adjusted",
    "difference_verdict", "difference_qualifier", "difference_look", "difference_collapsed", "more",
    "more_low", "more_high",
    "default_difference_mean", "default_difference_low", "default_difference_high", "default_difference_verdict",
    "default_difference_qualifier",
)  # fmt: skip
CROSSING = ("crossings", "crossing", "crossing_low", "crossing_high")
FACTS = ("loss", "replicate")
RUN = ("test/accuracy", "test/balanced_accuracy", "test/nll_scaled", "test/ece_scaled", "steps", "status")


def collect(name: str, runs: Path, kept: Path, seconds: float) -> None:
    """Keep what the report of a study says: verdicts, runs that were tested, how it was made.

    Args:
        name: of the study; its runs are in reality_<name>, or reality_<name>.tuned.
        runs: folder of all studies.
        kept: folder of what is kept, a folder a study; those over a number of the data lie in doses/.
        seconds: that the experiment took.
    """
    if name in AXES:
        _collect_doses(_report(runs / f"reality_{name}"), kept / "doses" / name, AXES[name], seconds)
    else:
        study = runs / f"reality_{name}.tuned"
        _collect_fight(_report(study), kept / name, seconds, _plan(study))


def _report(study: Path) -> Path:
    """The folder of a study's one report."""
    reports = sorted(study.glob("reports/*/verdict.csv"))
    if len(reports) != 1:
        raise SystemExit(f"{study}: {len(reports)} reports, and one is wanted; python scripts/reality.py run makes it")
    return reports[0].parent


def _collect_fight(report: Path, folder: Path, seconds: float, plan: str) -> None:
    _write(folder / "verdict.csv", VERDICT, rows_of(report / "verdict.csv"))
    _write_all(folder / "records.csv", _chosen(report))
    runs = sum(int(row["trials"]) + int(row["refits"]) for row in rows_of(report / "budget.csv"))
    _write_about(report, folder, {"seconds": round(seconds), "runs": runs, "plan": plan})


def _collect_doses(report: Path, folder: Path, axis: str, seconds: float) -> None:
    _write(folder / "verdict.csv", (axis, "place", *VERDICT), rows_of(report / "verdict.csv"))
    _write(folder / "trend.csv", ("loss", *CROSSING, *VERDICT), rows_of(report / "trend.csv"))
    runs = [
        {name: row.get(name, "") for name in (f"params.data.{axis}", *FACTS, *RUN)}
        for row in rows_of(report / "records.csv")
    ]
    _write_all(folder / "records.csv", runs)
    _write_about(report, folder, {"seconds": round(seconds), "runs": len(runs)})


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write the named columns of some rows, as far as they have them, with six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, [name for name in columns if any(name in row for row in rows)], map(_short, rows))


def _write_all(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    _write(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def _write_about(report: Path, folder: Path, about: Mapping[str, object]) -> None:
    """Keep the paragraph of methods, and what the study took."""
    (folder / "methods.txt").write_text((report / "methods.txt").read_text())
    (folder / "study.json").write_text(json.dumps(about, indent=2) + "\n")


def _chosen(report: Path) -> list[dict[str, str]]:
    """A row for each loss and replicate: what was chosen, and what the run that tested it scored."""
    runs = {Path(row["path"]).parts[-2:]: row for row in rows_of(report / "records.csv")}
    rows: list[dict[str, str]] = []
    for chosen in rows_of(report / "chosen.csv"):
        refit = Path(chosen.pop("refit"))
        found = runs[refit.parts[-2:]]
        rows.append({**chosen, **{name: found.get(name, "") for name in RUN}})
    return rows


def _plan(study: Path) -> str:
    (path,) = study.glob("plans/*/plan.json")
    return json.loads(path.read_text())["hash"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def _short(row: Mapping[str, str]) -> dict[str, str]:
    """A row whose numbers have six digits."""
    return {name: _rounded(text) for name, text in row.items()}


def _rounded(text: str) -> str:
    try:
        return f"{float(text):.{DIGITS}g}" if "." in text else text
    except ValueError:
        return text
