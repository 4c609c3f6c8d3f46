"""Pictures of training: the histories of some runs side by side."""

import csv
from collections import defaultdict
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_atomic

PANELS = ("train/loss", "val/cross_entropy", "val/accuracy")
UNITS = {"train/loss": "each run's own loss", "val/cross_entropy": "nats", "val/accuracy": "fraction"}


def read_history(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Read metrics.csv: name -> (steps, values)."""
    columns: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            steps, values = columns[row["name"]]
            steps.append(int(row["step"]))
            values.append(float(row["value"]))
    return dict(columns)


def draw_curves(runs: list[RunDirectory], names: tuple[str, ...] = PANELS) -> Figure:
    """Draw one panel a metric and one line a run.

    Args:
        runs: directories with a metrics.csv.
        names: the metrics to draw.

    Returns:
        The figure.

    Raises:
        UserError: a directory has no history, or no run has one of the metrics.
    """
    figure = Figure(figsize=(4.2 * len(names), 3.4), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    histories = {_label(run): _history(run) for run in runs}
    for axis, name in zip(axes, names, strict=True):
        lines = {label: history[name] for label, history in histories.items() if name in history}
        if not lines:
            raise UserError(
                f"no run has measured {name}; they have {', '.join(sorted(set().union(*histories.values())))}"
            )
        for label, (steps, values) in lines.items():
            axis.plot(steps, values, label=label, linewidth=1.4)
        axis.set(xlabel="step", ylabel=UNITS.get(name, ""), title=name)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture whole or not at all; the ending of the path says which kind."""
    buffer = BytesIO()
    figure.savefig(buffer, format=path.suffix.lstrip(".") or "png", dpi=130)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def _label(run: RunDirectory) -> str:
    config = run.config
    return f"{config.loss.name}, {config.data.name}, {config.model.name}, seed {config.seed}"


def _history(run: RunDirectory) -> dict[str, tuple[list[int], list[float]]]:
    if not run.metrics_path.exists():
        raise UserError(
            f"{run.metrics_path} does not exist: the run has not started; run it with python -m lossbench.job {run.path}"
        )
    return read_history(run.metrics_path)
