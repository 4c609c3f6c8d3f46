"""What limits a comparison at several doses."""

from collections.abc import Iterator

from lossbench.report.caveats import ABOUT
from lossbench.report.caveats.epochs import about_epochs
from lossbench.report.caveats.looks import about_looks
from lossbench.report.caveats.runs import about_damage, about_optimiser, about_origin, about_runs_without_result
from lossbench.report.doses.axis import Axis
from lossbench.report.doses.response import DoseResponse
from lossbench.report.doses.words import doses
from lossbench.report.findings import Findings

OF_ALL = (about_looks, about_epochs, about_optimiser, about_runs_without_result, about_damage, about_origin)
"""The limits of all doses together, in the order of the report."""
AT_EACH = tuple(about for about in ABOUT if about not in OF_ALL)


def find_caveats(response: DoseResponse, all_doses: Findings) -> list[str]:
    """List what limits a comparison, one sentence each; what is true of some doses alone names them.

    Args:
        response: the losses at all doses.
        all_doses: the same as one comparison, with the trends among its pairs.
    """
    return [*_shared_steps(response), *_at_each(response), *(line for about in OF_ALL for line in about(all_doses))]


def _at_each(response: DoseResponse) -> Iterator[str]:
    said: dict[str, list[float]] = {}
    for dose, found in response.findings.items():
        for about in AT_EACH:
            for line in about(found):
                if not _is_the_dose(line, response.axis):
                    said.setdefault(line, []).append(dose)
    for line, at in said.items():
        yield line if len(at) == len(response.places) else f"At {doses(response.axis, at)}: {line}"


def _shared_steps(response: DoseResponse) -> Iterator[str]:
    """Updates that differ between doses, so that a score may be low for want of training."""
    steps = {dose: max(run.done_result.steps for run in found.runs) for dose, found in response.comparisons.items()}
    low, high = min(steps.values()), max(steps.values())
    if high > low:
        yield (
            f"Doses differ in the number of updates too ({low:,} to {high:,}), since epochs of fewer examples are "
            "shorter: trainer.max_steps=N gives all the same."
        )


def _is_the_dose(line: str, axis: Axis) -> bool:
    """Whether a caveat says that data were left out, and nothing else, which the dose says."""
    return f"({axis.key}=" in line and "; " not in line
