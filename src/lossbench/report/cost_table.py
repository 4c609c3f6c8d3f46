"""The table of calibration (of classifiers), convergence and cost."""

from collections.abc import Sequence
from typing import Any

from lossbench.metrics.units import Unit, unit_of
from lossbench.report.arms import Arm
from lossbench.report.findings import Findings
from lossbench.report.measures import Measures
from lossbench.report.same_for_all import has_logits, stack_line
from lossbench.report.stats.summary import Summary
from lossbench.report.tables import EMPTY, Table, in_unit, number_cell, words_cell
from lossbench.report.validation_curves import Convergence

CALIBRATION = ("ECE raw (%)", "ECE scaled (%)", "NLL raw (nats)", "NLL scaled (nats)")
COST = ("s a run", "peak memory (MB)")
SUMMARY_FIELDS = ("n", "mean", "sd", "low", "high")
NO_LOGITS = "Raw calibration is left out where the loss does not train a softmax of its outputs."


def cost_table(findings: Findings) -> Table:
    """Make the table, a row an arm; times are left out where runs were trained together."""
    arms, together = findings.comparison.arms, stack_line(findings.comparison)
    goal = _goal(findings.threshold, findings.comparison.unit)
    calibration = CALIBRATION if any(found.calibration for found in findings.measures.values()) else ()
    cost = _cost_columns(findings.comparison.unit, goal, is_timed=not together)
    rows: list[list[str]] = []
    for arm in arms:
        found = findings.measures[arm.label]
        cells = {**_calibration_cells(found, arm), **_cost_cells(found, findings.comparison.unit, goal)}
        rows.append([words_cell(arm.label), *(cells[name] for name in (*calibration, *cost))])
    groups = {"Calibration": len(calibration)} if calibration else {}
    groups["Convergence" if together else "Convergence and cost"] = len(cost)
    mean = f"mean ± half-width of the 95 % interval over {findings.comparison.kind}s"
    return Table(
        name="more",
        title=f"{' and '.join(groups)}: {mean}",
        columns=["loss", *calibration, *cost],
        rows=rows,
        numbers=[_numbers(arm, findings.measures[arm.label]) for arm in arms],
        groups=groups,
        note=_note(mean, arms if calibration else [], together),
    )


def _note(mean: str, calibrated: Sequence[Arm], together: str) -> str:
    missing = "" if all(map(has_logits, calibrated)) else NO_LOGITS
    return " ".join(filter(None, (f"Numbers are {mean}.", missing, together)))


def _goal(threshold: float | None, unit: Unit) -> str:
    return "" if threshold is None else f"{unit.factor * threshold:.{unit.digits}f} {unit.name}".rstrip()


def _cost_columns(unit: Unit, goal: str, *, is_timed: bool) -> list[str]:
    columns = [f"mean of curve{in_unit(unit.name)}"]
    if goal:
        columns += [f"steps to {goal}", *[f"s to {goal}"] * is_timed, "reached it"]
    return [*columns, *COST * is_timed]


def _calibration_cells(found: Measures, arm: Arm) -> dict[str, str]:
    nll = unit_of("nll")
    names = ("ece", "ece_scaled", "nll", "nll_scaled")
    shown = [found.calibration.get(f"test/{name}") if has_logits(arm) or "_" in name else None for name in names]
    scales = [(100, 2), (100, 2), (nll.factor, nll.digits), (nll.factor, nll.digits)]
    cells = (_with_width(summary, *scale) for summary, scale in zip(shown, scales, strict=True))
    return dict(zip(CALIBRATION, cells, strict=True))


def _cost_cells(found: Measures, unit: Unit, goal: str) -> dict[str, str]:
    curve = found.convergence
    cells = {f"mean of curve{in_unit(unit.name)}": _with_width(curve and curve.area, unit.factor, unit.digits)}
    cells |= dict(zip(COST, (_with_width(found.seconds, 1, 1), _with_width(found.memory, 1, 0)), strict=True))
    if curve is None:
        return cells | dict.fromkeys((f"steps to {goal}", f"s to {goal}", "reached it"), EMPTY)
    times = {f"steps to {goal}": number_cell(curve.steps, 0), f"s to {goal}": number_cell(curve.seconds, 1)}
    return {**cells, **times, "reached it": f"{curve.reached} of {curve.n}"}


def _with_width(summary: Summary | None, factor: float, digits: int) -> str:
    """Mean ± half-width of the interval; the mean alone for one seed."""
    if summary is None:
        return EMPTY
    width = number_cell(factor * (summary.high - summary.mean), digits)
    return f"{factor * summary.mean:.{digits}f}" + ("" if width == EMPTY else f" ± {width}")


def _numbers(arm: Arm, found: Measures) -> dict[str, Any]:
    numbers: dict[str, Any] = {"arm": arm.label, "loss": arm.loss, "hash": arm.digest}
    if found.convergence is not None:
        numbers |= _convergence_numbers(found.convergence)
    for name, summary in _summaries(found).items():
        if summary is not None:
            numbers |= {f"{name}_{field}": getattr(summary, field) for field in SUMMARY_FIELDS}
    return numbers


def _convergence_numbers(found: Convergence) -> dict[str, Any]:
    return {
        "reached": found.reached,
        "of": found.n,
        "median_steps": found.steps,
        "median_seconds": found.seconds,
    }


def _summaries(found: Measures) -> dict[str, Summary | None]:
    calibration = {name.removeprefix("test/"): summary for name, summary in found.calibration.items()}
    cost = {"seconds": found.seconds, "peak_memory_mb": found.memory}
    return {**calibration, **cost, "curve_mean": found.convergence.area if found.convergence else None}
