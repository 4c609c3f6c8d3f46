"""The table of calibration (of classifiers), convergence and cost."""

from collections.abc import Mapping
from typing import Any

from lossbench.metrics.units import Unit, unit_of
from lossbench.report.arms import Arm
from lossbench.report.findings import Findings
from lossbench.report.measures import Measures
from lossbench.report.stats.summary import Summary
from lossbench.report.tables import EMPTY, Table, in_unit, number_cell
from lossbench.report.validation_curves import Convergence

CALIBRATION = ("ECE raw (%)", "ECE scaled (%)", "NLL raw (nats)", "NLL scaled (nats)")
COST = ("s a run", "peak memory (MB)")
SUMMARY_FIELDS = ("n", "mean", "sd", "low", "high")


def cost_table(findings: Findings) -> Table:
    """Make the table, a row an arm."""
    unit, arms = findings.comparison.unit, findings.comparison.arms
    goal = _goal(findings.threshold, unit)
    is_calibrated = any(found.calibration for found in findings.measures.values())
    columns = ["loss", *CALIBRATION * is_calibrated, f"mean of curve{in_unit(unit.name)}"]
    columns += [f"steps to {goal}", f"s to {goal}", "reached it"] if goal else []
    rows: list[list[str]] = []
    for arm in arms:
        found = findings.measures[arm.label]
        calibration = _calibration_cells(found.calibration) if is_calibrated else []
        cost = [_with_width(found.seconds, 1, 1), _with_width(found.memory, 1, 0)]
        rows.append([arm.label, *calibration, *_convergence_cells(found.convergence, unit, bool(goal)), *cost])
    what = "Calibration, validation" if is_calibrated else "Validation"
    title = f"{what} curve, convergence and cost: mean ± half-width of the 95 % interval over seeds"
    numbers = [_numbers(arm, findings.measures[arm.label]) for arm in arms]
    return Table("more", title, [*columns, *COST], rows, numbers)


def _goal(threshold: float | None, unit: Unit) -> str:
    return "" if threshold is None else f"{unit.factor * threshold:.{unit.digits}f} {unit.name}".rstrip()


def _calibration_cells(calibration: Mapping[str, Summary]) -> list[str]:
    ece = [_with_width(calibration.get(f"test/{name}"), 100, 2) for name in ("ece", "ece_scaled")]
    units = {name: unit_of(name) for name in ("nll", "nll_scaled")}
    nll = [_with_width(calibration.get(f"test/{name}"), unit.factor, unit.digits) for name, unit in units.items()]
    return [*ece, *nll]


def _convergence_cells(found: Convergence | None, unit: Unit, has_goal: bool) -> list[str]:
    area = _with_width(found.area if found else None, unit.factor, unit.digits)
    if not has_goal:
        return [area]
    if found is None:
        return [area, EMPTY, EMPTY, EMPTY]
    return [area, number_cell(found.steps, 0), number_cell(found.seconds, 1), f"{found.reached} of {found.n}"]


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
