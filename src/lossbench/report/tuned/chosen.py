"""What was chosen: the winners' settings in each replicate, and every trial, as tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lossbench.report.tables import EMPTY, Table, words_cell
from lossbench.report.tuned.edges import Edge, edges_of_row
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import Row
from lossbench.tuning.study import Tuned

NOTE = (
    "The median over replicates and, below it, the lowest and the highest value. Edges: winners in the outer 5 % of "
    "the range; in over a quarter of the replicates the range was too narrow. chosen.csv has every replicate, "
    "trials.csv every trial."
)


def chosen_table(tuned: Tuned) -> Table:
    """Make the table: a row for each searched setting of each loss; its numbers have every replicate."""
    rows: list[list[str]] = []
    for row in tuned.plan.rows:
        for edge in edges_of_row(tuned, row):
            rows.append(_row(row, edge, chosen_values(tuned, row, edge.dimension)))
    columns = ["loss", "setting", "chosen\nlowest to highest", "default", "range searched", "edges"]
    title = f"Chosen settings, of {tuned.plan.trials} trials in each replicate"
    return Table("chosen", title, columns, rows, [*_winners(tuned)], note=NOTE)


def chosen_values(tuned: Tuned, row: Row, dimension: Dimension) -> dict[int, float]:
    """Replicate -> value of the winner."""
    return {r: winners.rows[row.name].winner.settings[dimension.key] for r, winners in tuned.winners.items()}


def middle(values: Sequence[float], dimension: Dimension) -> float:
    """The median; of an even number of values on a logarithmic scale the geometric mean of the middle two."""
    if dimension.scale == "log" and min(values) > 0:
        return float(np.exp(np.median(np.log(values))))
    return float(np.median(values))


def shown(value: float) -> str:
    """A setting as tables write it."""
    return f"{value:.3g}"


def trial_rows(tuned: Tuned) -> tuple[list[str], list[dict[str, Any]]]:
    """Make the rows of trials.csv: the columns, and one row a trial of each loss and replicate."""
    rows = [*_trials(tuned)]
    return list(dict.fromkeys(name for row in rows for name in row)), rows


def _row(row: Row, edge: Edge, chosen: Mapping[int, float]) -> list[str]:
    dimension, values = edge.dimension, [*chosen.values()]
    spread = f"{shown(min(values))} to {shown(max(values))}"
    return [
        words_cell(row.name),
        dimension.key,
        f"{shown(middle(values, dimension))}\n{spread}",
        shown(row.default[dimension.key]),
        f"{shown(dimension.low)} to {shown(dimension.high)}\n{_scale(dimension)}",
        "\n".join(filter(None, ("range too narrow" * edge.is_narrow, edge.words))) or EMPTY,
    ]


def _scale(dimension: Dimension) -> str:
    spread = "log-uniform" if dimension.scale == "log" else "uniform"
    return f"{spread}, in units of its limit" if dimension.upper else spread


def _winners(tuned: Tuned) -> Iterator[dict[str, Any]]:
    for row in tuned.plan.rows:
        for replicate, winners in tuned.winners.items():
            found = winners.rows[row.name]
            winner = found.winner
            settings = {f"edge.{key}": side for key, side in found.edges.items()} | dict(winner.settings)
            refit = f"{found.refit_after(tuned.plan.trials)}/replicate{replicate}"
            yield {
                "row": row.name, "replicate": replicate, "trial": winner.trial, tuned.plan.monitor: winner.score,
                "refit": refit, **settings,
            }  # fmt: skip


def _trials(tuned: Tuned) -> Iterator[dict[str, Any]]:
    for row in tuned.plan.rows:
        for replicate, winners in tuned.winners.items():
            found = winners.rows[row.name]
            for trial in found.trials:
                facts = {key: value for key, value in vars(trial).items() if key not in ("settings", "score", "nll")}
                after = [str(n) for n, number in found.best_after.items() if number == trial.trial]
                yield {
                    "row": row.name, "loss": row.loss, "replicate": replicate, **facts,
                    tuned.plan.monitor: _finite(trial.score), "val/nll_scaled": _finite(trial.nll),
                    "best_after": " ".join(after), **trial.settings,
                }  # fmt: skip


def _finite(value: float | None) -> float | str:
    return "" if value is None or not math.isfinite(value) else value
