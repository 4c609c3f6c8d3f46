"""The caveat about the epoch that was tested."""

from collections.abc import Iterator

from lossbench.errors import some
from lossbench.metrics.units import POINT
from lossbench.report.epochs import Epochs, epochs_by_label
from lossbench.report.findings import Findings
from lossbench.report.formatting import format_difference


def about_epochs(findings: Findings) -> Iterator[str]:
    """Arms whose last epoch and best by validation differ by more than a point on average."""
    found = epochs_by_label(findings.comparison)
    apart = [f"{label} ({_gained(epochs)})" for label, epochs in found.items() if _is_far(epochs)]
    if apart:
        tested = {str(run.params.get("evaluate")) for run in findings.comparison.runs}
        chosen = (
            "these runs count the best (evaluate=best)"
            if tested == {"best"}
            else "evaluate=best chooses it by validation"
        )
        yield (
            f"The test score at the best epoch by validation is not that at the last one: {some(apart)}. Published "
            f"tables of wrong labels differ by ten points for that choice alone; {chosen}."
        )


def _is_far(epochs: Epochs) -> bool:
    return epochs.unit.name == "%" and abs(epochs.gained.mean) > POINT


def _gained(epochs: Epochs) -> str:
    return format_difference(epochs.gained.mean, epochs.unit, signed=True)
