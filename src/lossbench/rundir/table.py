"""The table of a finished run on the screen. Torch-free."""

from lossbench.metrics.registry import shown
from lossbench.metrics.units import unit_of
from lossbench.rundir.result import Result


def table(result: Result) -> str:
    """Show the metrics of a result: value, half-width of its 95 % interval, unit and n, for each of its splits."""
    monitored = str(result.params.get("monitor", "")).removeprefix("val/")
    names = [*shown("above the loss"), "loss", *shown("below the loss"), monitored, *yardsticks(result)]
    rows = {
        name + _unit(name): name for name in names if all(f"{stage}/{name}" in result.metrics for stage in result.n)
    }
    width = max(24, *(len(row) + 1 for row in rows))
    lines = [" " * width + "".join(f"{f'{stage} (n = {n})':>24}" for stage, n in result.n.items())]
    for row, name in rows.items():
        cells = "".join(f"{_cell(result, f'{stage}/{name}'):>24}" for stage in result.n)
        lines.append(f"{row:{width}}{cells}")
    return "\n".join(lines)


def yardsticks(result: Result) -> list[str]:
    """The names of the yardstick losses of a result."""
    parts = (key.split(".") for key in result.params if key.startswith("yardsticks."))
    return list(dict.fromkeys(part[1] for part in parts))


def _unit(name: str) -> str:
    unit = unit_of(name).name
    return f" ({unit})" if unit else ""


def _cell(result: Result, name: str) -> str:
    unit = unit_of(name)
    value, width = result.metrics[name], result.half_width_95[name]
    if value is None:
        return "none"
    style = f".{unit.digits}f" if max(abs(value), abs(width or 0)) < 1e4 else ".3g"
    return f"{unit.factor * value:{style}}" + ("" if width is None else f" ± {unit.factor * width:{style}}")
