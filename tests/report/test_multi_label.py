"""What a report says of runs with several labels of each example."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_runs import make_run

from lossbench.report.chance import guessed
from lossbench.report.examples import Outputs
from lossbench.report.outcomes import is_classifier
from lossbench.report.records import read_record
from lossbench.report.right_answers import RightAnswers
from lossbench.report.test_set_width import difference_half_width

HOLDS = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=np.float32)
OUTPUTS = np.array([[2, -1], [-2, -1], [2, 3], [-1, -1]], dtype=np.float32)  # the second example is wrong
IDS = np.array(list("abcd"))


def arm(folder: Path, outputs: np.ndarray) -> Any:
    path = make_run(folder, result={"task": "multi_label"})
    np.savez(path / "predictions.npz", test_outputs=outputs, test_targets=HOLDS, test_ids=IDS)
    return SimpleNamespace(runs={0: read_record(path)})


def test_the_width_counts_an_example_as_right_where_all_its_labels_are(tmp_path: Path) -> None:
    ours, theirs = arm(tmp_path / "ours", OUTPUTS), arm(tmp_path / "theirs", np.abs(OUTPUTS))
    differences = np.array([1, 0, 0, 1])
    expected = 1.96 * differences.std(ddof=1) / 2
    assert difference_half_width(ours, theirs, [0], RightAnswers()) == pytest.approx(expected)
    assert not is_classifier(ours.runs[0])  # guessing one of two classes is no measure of it


def test_a_diverged_run_scores_what_the_labels_of_the_majority_score() -> None:
    found = guessed("test/accuracy", Outputs(OUTPUTS, HOLDS, IDS))
    assert found is not None
    assert found.values.tolist() == [1, 1, 0, 0]
