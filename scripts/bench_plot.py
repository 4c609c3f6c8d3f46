"""Draw the time of a sweep of toy runs against its number of runs, for both launchers.

python scripts/bench_plot.py docs/img/sweep_time.png
"""

import argparse
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from benchmarks.many import toy_sweep
from benchmarks.runs import hush


def draw(
    path: Path, counts: Sequence[int] = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000), alone: Sequence[int] = (1, 2, 3)
) -> None:
    """Draw the seconds of sweeps of toy runs; one run after another is measured up to three and extrapolated."""
    from matplotlib.figure import Figure

    from lossbench.plots.curves import save_figure

    with contextlib.redirect_stdout(io.StringIO()):
        together = [n * toy_sweep(n, vectorized=True) for n in counts]
        single = [n * toy_sweep(n, vectorized=False) for n in alone]
    print("vectorized:", ", ".join(f"{n} runs {seconds:.1f} s" for n, seconds in zip(counts, together, strict=True)))
    print("basic:", ", ".join(f"{n} runs {seconds:.1f} s" for n, seconds in zip(alone, single, strict=True)))
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.loglog(counts, together, "o-", color="#0072b2", label="hydra/launcher=vectorized")
    axis.loglog(alone, single, "s-", color="#d55e00", label="hydra/launcher=basic")
    axis.loglog(
        [alone[-1], counts[-1]],
        [single[-1], single[-1] * counts[-1] / alone[-1]],
        ":",
        color="#d55e00",
        label="basic, extrapolated",
    )
    axis.set(
        xlabel="runs in the sweep", ylabel="time (s)", title="Toy runs of 5,000 steps: plan, train, measure, write"
    )
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False)
    save_figure(figure, path)


if __name__ == "__main__":
    from lossbench.hardware import keep_freed_memory

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    hush()
    keep_freed_memory()
    draw(parser.parse_args().picture)
