"""One comparison of some runs, at one dose of the data or at several."""

from collections.abc import Sequence

from lossbench.report.doses.axis import axis_of
from lossbench.report.doses.report import compare_doses
from lossbench.report.loss_comparison import LossComparison, compare_losses
from lossbench.report.records import Record
from lossbench.report.spec import ComparisonSpec


def compare(records: Sequence[Record], spec: ComparisonSpec, about: str = "") -> LossComparison:
    """Compare the losses of some runs that can be compared, at each dose where a number of the data was varied.

    Args:
        records: runs with a result, at least one, and others of the same sweep without.
        spec: the baseline, the metric and the margin.
        about: what tells these runs from others that are compared at the same time, e.g. "mlp max_epochs=30".

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    return compare_losses(records, spec, about) if axis_of(records) is None else compare_doses(records, spec, about)
