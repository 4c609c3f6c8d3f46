"""The tables of a report: columns of text and numbers, as CSV, as Markdown and for the terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lossbench.metrics.units import Unit, unit_of
from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.measures import Measures
from lossbench.report.sentences import MARKS, amount, p_value
from lossbench.report.stats.summary import Summary

EMPTY = "–"
WORDS = ("loss", "verdict")  # columns of words, set to the left


class Table(NamedTuple):
    """A table a person reads, and its numbers for a program.

    Args:
        name: of its files.
        title: what it shows, with n where it is the same for all rows.
        columns: headings with units.
        rows: one text for each column.
        numbers: one dictionary a row, unrounded, in stored units.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[Mapping[str, Any]]


def verdict_table(answer: Answer, measures: Mapping[str, Measures]) -> Table:
    """The table that answers: scores, paired differences, verdicts."""
    unit, baseline = answer.unit, answer.baseline
    turned = unit.difference if unit.higher_is_better else f"{unit.difference}, + is better".removeprefix(", ")
    compared = (
        ["verdict", f"difference{_in(turned)}", "its 95 % interval", "p different", "p equivalent"] if baseline else []
    )
    scores = ["n seeds", f"mean ± sd{_in(unit.name)}", "95 % interval", "median", "IQM"]
    more = ["uncorrected p", "effect d", "better in", "± from test set"] if baseline else []
    rows = []
    for arm in answer.arms:
        first, last = _compared(answer, arm, measures[arm.label]) if baseline else ([], [])
        rows.append([_name(answer, arm), *first, *_scores(answer, arm), *last])
    columns = ["loss", *compared, *scores, *more]
    title = f"{answer.metric} of every loss" + (f", and paired by seed against {baseline.label}" if baseline else "")
    return Table("verdict", title, columns, rows, [_numbers(answer, arm, measures[arm.label]) for arm in answer.arms])


def more_table(answer: Answer, measures: Mapping[str, Measures], threshold: float | None) -> Table:
    """Calibration (of classifiers), convergence and cost."""
    unit = answer.unit
    goal = "" if threshold is None else f"{unit.factor * threshold:.{unit.digits}f} {unit.name}".rstrip()
    reach = [f"steps to {goal}", f"s to {goal}", "reached it"] if goal else []
    calibrated = any(found.calibration for found in measures.values())
    calibration = ["ECE raw (%)", "ECE scaled (%)", "NLL raw (nats)", "NLL scaled (nats)"] if calibrated else []
    columns = ["loss", *calibration, f"mean of curve{_in(unit.name)}", *reach]
    columns += ["s a run", "peak memory (MB)"]
    rows, numbers = [], []
    for arm in answer.arms:
        found = measures[arm.label]
        speed = found.convergence
        cells: list[str] = []
        if calibrated:
            cells += [_percent(found.calibration.get(f"test/{name}")) for name in ("ece", "ece_scaled")]
            cells += [
                _plus_minus(found.calibration.get(f"test/{name}"), unit_of(name)) for name in ("nll", "nll_scaled")
            ]
        cells.append(_plus_minus(speed.area if speed else None, unit))
        if goal:
            cells += [_number(speed.steps if speed else None, 0), _number(speed.seconds if speed else None, 1)]
            cells.append(f"{speed.reached} of {speed.n}" if speed else EMPTY)
        rows.append([arm.label, *cells, _plain(found.seconds, 1), _plain(found.memory, 0)])
        numbers.append(_more_numbers(arm, found))
    what = "Calibration, validation" if calibrated else "Validation"
    title = f"{what} curve, convergence and cost: mean ± half-width of the 95 % interval over seeds"
    return Table("more", title, columns, rows, numbers)


def markdown(table: Table) -> str:
    """The table in Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    escaped = ([" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in lines)
    return f"{table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in escaped) + "\n"


def for_terminal(table: Table, wanted: Sequence[str]) -> str:
    """Some columns of the table, aligned."""
    chosen = [k for k, name in enumerate(table.columns) if any(name.startswith(start) for start in wanted)]
    lines = [[line[k] for k in chosen] for line in (table.columns, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    align = [str.ljust if table.columns[k] in WORDS else str.rjust for k in chosen]
    return "\n".join(
        "  ".join(put(cell, width) for put, cell, width in zip(align, line, widths, strict=True)).rstrip()
        for line in lines
    )


def _name(answer: Answer, arm: Arm) -> str:
    return f"{arm.label} (baseline)" if arm is answer.baseline else arm.label


def _scores(answer: Answer, arm: Arm) -> list[str]:
    summary, unit = answer.summaries[arm.label], answer.unit
    spread = "" if math.isnan(summary.sd) else f" ± {_value(summary.sd, unit)}"
    cells = [str(summary.n), f"{_value(summary.mean, unit)}{spread}", _interval(summary.low, summary.high, unit)]
    return [*cells, _value(summary.median, unit), _value(summary.iqm, unit)]


def _compared(answer: Answer, arm: Arm, found: Measures) -> tuple[list[str], list[str]]:
    """The cells before the scores, and those after them."""
    comparison, unit = answer.comparisons.get(arm.label), answer.unit
    if comparison is None:
        return [EMPTY if arm is answer.baseline else "no common seed", *[EMPTY] * 4], [EMPTY] * 4
    share, low, high = comparison.better_in
    width = found.difference_half_width
    more = (
        ""
        if comparison.more_seeds is None
        else f" (about {comparison.more_seeds} more {'seed' if comparison.more_seeds == 1 else 'seeds'})"
    )
    paired = f" (n = {comparison.n})" if comparison.n != answer.summaries[arm.label].n else ""
    word = f"{MARKS[comparison.verdict]} {comparison.verdict}{more}" if not answer.provisional else "not judged yet"
    first = [
        word,
        f"{amount(comparison.mean, unit, signed=True, with_unit=False)}{paired}",
        _interval(comparison.low, comparison.high, unit, signed=True),
        p_value(comparison.p_adjusted),
        EMPTY if math.isnan(comparison.p_equivalent) or not comparison.reachable else p_value(comparison.p_equivalent),
    ]
    last = [p_value(comparison.p), _number(comparison.effect_size, 2), f"{share:.0%} ({low:.0%}-{high:.0%})"]
    return first, [*last, EMPTY if width is None else f"± {_value(width, unit)}"]


def _numbers(answer: Answer, arm: Arm, found: Measures) -> dict[str, Any]:
    summary, comparison = answer.summaries[arm.label], answer.comparisons.get(arm.label)
    numbers: dict[str, Any] = {"arm": arm.label, "loss": arm.loss, "hash": arm.digest, "metric": answer.metric}
    numbers["baseline"] = arm is answer.baseline
    numbers |= {name: getattr(summary, name) for name in ("n", "mean", "sd", "low", "high", "median", "iqm")}
    if comparison is not None:
        fields = (
            "n",
            "mean",
            "sd",
            "low",
            "high",
            "p",
            "p_adjusted",
            "p_equivalent",
            "effect_size",
            "look",
            "verdict",
            "more_seeds",
        )
        numbers |= {f"difference_{name}": getattr(comparison, name) for name in fields}
        numbers |= dict(zip(("difference_bca_low", "difference_bca_high"), comparison.bca or (None, None), strict=True))
        numbers |= dict(zip(("better_in", "better_in_low", "better_in_high"), comparison.better_in, strict=True))
    return {
        **numbers,
        "run_half_width_95": found.run_half_width,
        "difference_half_width_95": found.difference_half_width,
    }


def _more_numbers(arm: Arm, found: Measures) -> dict[str, Any]:
    parts: dict[str, Summary | None] = {name.partition("/")[2]: summary for name, summary in found.calibration.items()}
    parts |= {"seconds": found.seconds, "peak_memory_mb": found.memory}
    speed = found.convergence
    numbers: dict[str, Any] = {"arm": arm.label, "loss": arm.loss, "hash": arm.digest}
    if speed is not None:
        parts["curve_mean"] = speed.area
        numbers |= {
            "reached": speed.reached,
            "of": speed.n,
            "median_steps": speed.steps,
            "median_seconds": speed.seconds,
        }
    for name, summary in parts.items():
        if summary is not None:
            numbers |= {f"{name}_{field}": getattr(summary, field) for field in ("n", "mean", "sd", "low", "high")}
    return numbers


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _value(value: float, unit: Unit) -> str:
    return EMPTY if math.isnan(value) else f"{unit.factor * value:.{unit.digits}f}"


def _interval(low: float, high: float, unit: Unit, *, signed: bool = False) -> str:
    if math.isnan(low):
        return EMPTY
    sign = "+" if signed else ""
    return f"{unit.factor * low:{sign}.{unit.digits}f} to {unit.factor * high:{sign}.{unit.digits}f}"


def _plus_minus(summary: Summary | None, unit: Unit) -> str:
    if summary is None:
        return EMPTY
    return _with_width(unit.factor * summary.mean, unit.factor * (summary.high - summary.mean), unit.digits)


def _percent(summary: Summary | None) -> str:
    return EMPTY if summary is None else _with_width(100 * summary.mean, 100 * (summary.high - summary.mean), 2)


def _plain(summary: Summary | None, digits: int) -> str:
    return EMPTY if summary is None else _with_width(summary.mean, summary.high - summary.mean, digits)


def _with_width(mean: float, width: float, digits: int) -> str:
    return f"{mean:.{digits}f}" + ("" if math.isnan(width) else f" ± {width:.{digits}f}")


def _number(value: float | None, digits: int) -> str:
    return EMPTY if value is None or math.isnan(value) else f"{value:.{digits}f}"
