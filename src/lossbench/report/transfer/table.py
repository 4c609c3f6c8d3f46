"""The table of what features are worth on other data, beside the verdicts at home."""

from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.tables import Table, number_cell, words_cell
from lossbench.report.transfer.compare import TransferComparison
from lossbench.report.verdict_numbers import SUMMARY_FIELDS, paired_numbers
from lossbench.report.verdict_table import marked_verdict, score_cell, score_heading, verdict_cells, verdict_heading

NAME = "transfer"
NOTE = (
    "A linear probe on the penultimate features of each run, fitted on the other data's training split, its weight "
    "decay chosen on validation; class separation: the share of the cosine distances between test examples that lies "
    "between classes (docs/transfer.md)."
)


def transfer_table(transfer: TransferComparison) -> Table:
    """Make the table of one other data set, a row an arm."""
    away = transfer.away
    at_home = ["at home"] if away.baseline else []
    columns = ["loss", *verdict_heading(away), *at_home, score_heading(away)]
    columns += ["class separation (%)\nat home", "class separation (%)\non the other data"]
    against = f", against {away.baseline.label}" if away.baseline else ""
    title = f"Features on {transfer.data}: {away.metric} of a linear probe{against}"
    name = f"{NAME}_{away.runs[0].done_result.data}_{transfer.question[:8]}"
    rows = [_row(arm, transfer) for arm in away.arms]
    return Table(name, title, columns, rows, [_numbers(arm, transfer) for arm in away.arms], note=NOTE)


def _row(arm: Arm, transfer: TransferComparison) -> list[str]:
    away = transfer.away
    separations = [transfer.separation(arm.label, where) for where in ("home", "away")]
    cells = [number_cell(None if value is None else 100 * value, 1) for value in separations]
    at_home = [_at_home(arm, transfer)] if away.baseline else []
    return [words_cell(arm.label), *verdict_cells(arm, away), *at_home, score_cell(arm, away), *cells]


def _at_home(arm: Arm, transfer: TransferComparison) -> str:
    home = transfer.home
    if home.baseline is not None and arm.label == home.baseline.label:
        return "baseline"
    pair = home.paired.get(arm.label)
    return "not judged" if pair is None or home.provisional else marked_verdict(pair)


def _numbers(arm: Arm, transfer: TransferComparison) -> dict[str, Any]:
    away = transfer.away
    summary, pair, home = away.summaries[arm.label], away.paired.get(arm.label), transfer.home.paired.get(arm.label)
    numbers: dict[str, Any] = {"arm": arm.label, "loss": arm.loss, "hash": arm.digest, "data": transfer.data}
    numbers |= {"metric": away.metric, "baseline": arm is away.baseline}
    numbers |= {name: getattr(summary, name) for name in SUMMARY_FIELDS}
    numbers |= paired_numbers(pair) if pair else {}
    if home is not None:
        numbers |= {"home_metric": transfer.home.metric, "home_verdict": home.verdict, "home_mean": home.mean}
    return numbers | {f"class_separation_{where}": transfer.separation(arm.label, where) for where in ("home", "away")}
