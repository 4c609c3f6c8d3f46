"""Diverged runs: an outcome of their settings, as much as a score is."""

import re

from lossbench.report.records import Record
from lossbench.rundir.status import DIVERGED

# Reasons of runs from before status.json had the cause.
REASON = re.compile(r"the training (loss|state \(weights, statistics\)) (is|became) -?(nan|inf)")


def has_diverged(record: Record) -> bool:
    """Whether a run without a result failed because its training became NaN or infinite."""
    if record.state != "failed":
        return False
    return record.status.get("cause") == DIVERGED or bool(REASON.search(str(record.status.get("reason"))))
