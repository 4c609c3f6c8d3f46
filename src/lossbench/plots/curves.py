"""The curves of some runs side by side: one panel a metric, one line a run."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from lossbench.errors import UserError
from lossbench.rundir.files import write_atomic

PANELS = ("train/loss", "val/cross_entropy", "val/accuracy")
UNITS = {"train/loss": "each run's own loss", "val/cross_entropy": "nats", "val/accuracy": "fraction"}
Curve = tuple[Sequence[int], Sequence[float]]  # steps and values


def draw_curves(runs: Mapping[str, Mapping[str, Curve]], names: Sequence[str] = PANELS) -> Figure:
    """Draw one panel a metric and one line a run.

    Args:
        runs: label -> metric -> curve.
        names: the metrics to draw.

    Returns:
        The figure.

    Raises:
        UserError: no run has one of the metrics.
    """
    figure = Figure(figsize=(4.2 * len(names), 3.4), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        lines = {label: curves[name] for label, curves in runs.items() if name in curves}
        if not lines:
            measured = ", ".join(sorted(set[str]().union(*runs.values())))
            raise UserError(f"no run has measured {name}; they have {measured}")
        for label, (steps, values) in lines.items():
            axis.plot(steps, values, label=label, linewidth=1.4)
        axis.set(xlabel="step", ylabel=UNITS.get(name, ""), title=name)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, in the format of the path's ending."""
    buffer = BytesIO()
    figure.savefig(buffer, format=path.suffix.lstrip(".") or "png", dpi=130)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))
