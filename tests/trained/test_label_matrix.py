"""How labels become wrong is found in a model that gives the right probabilities of wrong labels."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lossbench.errors import UserError
from lossbench.losses import CrossEntropy, ForwardCorrection
from lossbench.trained.label_matrix import estimated_matrix
from lossbench.training.evaluation import Evaluation

T = np.array([[0.7, 0.3, 0.0], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])


def parts(task: str = "classification", loss: Any = None, labels: Sequence[int] = (0, 1, 2)) -> Any:
    split = SimpleNamespace(targets=np.array(labels))
    return SimpleNamespace(
        loss=loss or CrossEntropy(),
        source=SimpleNamespace(task=task, num_classes=3, class_names=("a", "b", "c")),
        data=SimpleNamespace(split=lambda _: split),
    )


def outputs(scale: float = 1.0) -> Evaluation:
    """Logits of p(given label) = p(true class) T, for examples of which some are sure."""
    true = np.concatenate([np.eye(3), np.random.default_rng(0).dirichlet(np.ones(3), 50)])
    logits = torch.from_numpy(np.log(np.maximum(true @ T, 1e-12)) / scale)
    return Evaluation(logits, torch.zeros(len(true), dtype=torch.int64))


@pytest.mark.parametrize("scale", [None, 2.5])
def test_the_matrix_of_sure_examples_is_found_exactly(scale: float | None) -> None:
    found = estimated_matrix(parts(), outputs(scale or 1.0), 1.0, scale)
    assert found == pytest.approx(T, abs=1e-9)


def test_a_lower_quantile_leaves_out_the_surest_examples() -> None:
    found = estimated_matrix(parts(), outputs(), 0.9, None)
    assert (np.diag(found) < np.diag(T)).all()
    assert found.sum(1) == pytest.approx(1)


@pytest.mark.parametrize(("quantile", "task"), [(0.0, "classification"), (1.1, "classification"), (1.0, "regression")])
def test_what_cannot_be_estimated_is_refused(quantile: float, task: str) -> None:
    with pytest.raises(UserError, match=r"quantile must be|for classification"):
        estimated_matrix(parts(task), outputs(), quantile, None)


def test_a_class_without_examples_and_a_corrected_run_are_refused() -> None:
    with pytest.raises(UserError, match="there is no b in training"):
        estimated_matrix(parts(labels=[0, 2]), outputs(), 1.0, None)
    with pytest.raises(UserError, match="true classes, not labels"):
        estimated_matrix(parts(loss=ForwardCorrection(matrix=T.tolist())), outputs(), 1.0, None)
