"""Diverged runs are outcomes: recognised by their mark, older ones by their reason."""

from pathlib import Path

import pytest
from made_runs import make_run

from lossbench.report.outcomes import has_diverged
from lossbench.report.records import read_record


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"reason": "any words", "cause": "diverged"}, True),
        ({"reason": "the training loss became nan at or before step 40, epoch 2; the last good checkpoint"}, True),
        ({"reason": "the training loss is -inf at the first step, which the learning rate cannot"}, True),
        ({"reason": "the training state (weights, statistics) became nan or infinite at or before the last"}, True),
        ({"reason": "process 1 of 2: the training loss became inf at or before step 3"}, True),
        ({"reason": "RuntimeError: the cat sat on the keyboard"}, False),
        ({"reason": None}, False),
    ],
)
def test_what_became_nan_has_diverged_and_nothing_else(
    tmp_path: Path, status: dict[str, object], expected: bool
) -> None:
    assert has_diverged(read_record(make_run(tmp_path, state="failed", status=status))) is expected
    assert not has_diverged(read_record(make_run(tmp_path, seed=1, state="cancelled", status=status)))
