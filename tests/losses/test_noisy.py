"""Identities of the losses for wrong labels, and limits that are other losses."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from typed import command

from lossbench import losses
from lossbench.losses.case import CLASSES, examples
from lossbench.losses.laws.batched import many_settings_at_once_are_the_loop
from lossbench.losses.noisy.tempered import log_tempered_softmax
from lossbench.vectorized.engine.losses import StackedLosses
from tests.cases import CASES
from tests.cases.noisy import MATRIX

LOGITS, TARGET, SOFT = examples()
UNIFORM = (0.6 * torch.eye(CLASSES) + 0.1 * (1 - torch.eye(CLASSES))).double()


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [
        pytest.param(lambda z, y: losses.bi_tempered(z, y, t1=1.0, t2=1.0), losses.cross_entropy, 1e-12, id="tempered"),
        pytest.param(
            lambda z, y: losses.bi_tempered(z, y, t1=1 - 1e-7, t2=1 + 1e-7), losses.cross_entropy, 1e-5, id="tempered~"
        ),
        pytest.param(lambda z, y: losses.bootstrap_soft(z, y, beta=1.0), losses.cross_entropy, 1e-12, id="soft"),
        pytest.param(lambda z, y: losses.bootstrap_hard(z, y, beta=1.0), losses.cross_entropy, 1e-12, id="hard"),
        pytest.param(
            lambda z, y: losses.jensen_shannon(z, y, label_weight=1e-9), losses.cross_entropy, 1e-4, id="js-0"
        ),
        pytest.param(
            lambda z, y: losses.jensen_shannon(z, y, label_weight=1 - 1e-9),
            lambda z, y: losses.mae_prob(z, y) / 2,
            0.1,  # as 1 / log(1 - w)
            id="js-1",
        ),
        pytest.param(
            lambda z, y: losses.taylor_cross_entropy(z, y, order=1),
            lambda z, y: losses.mae_prob(z, y) / 2,
            1e-12,
            id="taylor-1",
        ),
        pytest.param(
            lambda z, y: losses.normalized_focal(z, y, gamma=0), losses.normalized_cross_entropy, 1e-12, id="focal"
        ),
        pytest.param(losses.forward_correction, losses.cross_entropy, 1e-12, id="forward"),
        pytest.param(losses.backward_correction, losses.cross_entropy, 1e-12, id="backward"),
    ],
)
def test_at_its_edge_it_is_another_loss(
    one: Callable[[Tensor, Tensor], Tensor], other: Callable[[Tensor, Tensor], Tensor], error: float
) -> None:
    for target in (TARGET, SOFT):
        assert_close(one(LOGITS, target), other(LOGITS, target), rtol=error, atol=error)


def test_taylor_cross_entropy_comes_closer_with_every_term() -> None:
    """What the series lacks after n terms is at most (1 - p)^(n + 1) / (n + 1) / p."""
    wrong = losses.mae_prob(LOGITS, TARGET) / 2
    for order in range(1, 21):
        lacking = losses.cross_entropy(LOGITS, TARGET) - losses.taylor_cross_entropy(LOGITS, TARGET, order=order)
        assert (lacking > -1e-12).all()
        assert (lacking <= wrong ** (order + 1) / (order + 1) / (1 - wrong) + 1e-12).all()


def test_orders_of_taylor_cross_entropy_are_computed_at_once() -> None:
    case = next(case for case in CASES if case.name == "taylor_cross_entropy")
    many_settings_at_once_are_the_loop(case, "order", [1, 2, 7, 20])


def test_nce_rce_is_the_reverse_cross_entropy_of_log_1e_4() -> None:
    """The authors' passive loss, of which ours is a multiple."""
    reverse = losses.symmetric_cross_entropy(LOGITS, TARGET, xent_weight=0.0, log_zero=math.log(1e-4))
    ours = losses.nce_mae(LOGITS, TARGET, passive_weight=9.21034)
    assert_close(ours, losses.normalized_cross_entropy(LOGITS, TARGET) + reverse, rtol=1e-6, atol=0)


@pytest.mark.parametrize("loss", [losses.normalized_cross_entropy, losses.normalized_focal, losses.mae_prob])
def test_the_losses_of_all_labels_add_up_to_a_constant(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Which makes a loss robust to symmetric noise (Ghosh et al. 2017); cross-entropy's do not."""

    def spread(of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        sums = sum(of(LOGITS, torch.full_like(TARGET, k)) for k in range(CLASSES))
        assert isinstance(sums, Tensor)
        return sums.max() - sums.min()

    assert spread(loss) < 1e-12
    assert spread(losses.cross_entropy) > 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_tempered_probabilities_add_up_to_1_and_fall_by_a_power(classes: int, dtype: torch.dtype) -> None:
    scales = torch.tensor([0.0, 0.1, 1.0, 5.0, 30.0, 300.0, 1e4], dtype=dtype)
    logits = torch.randn(7, classes, generator=torch.Generator().manual_seed(0), dtype=dtype) * scales.unsqueeze(-1)
    for t in (1.0, 1.0001, 1.05, 1.2, 2.0, 5.0):
        log_p = log_tempered_softmax(logits, t)
        assert (log_p.exp().sum(-1) - 1).abs().max() < (1e-13 if dtype == torch.float64 else 3e-6)
        assert (log_p.gather(-1, logits.argsort()).diff() >= 0).all()
    far = log_tempered_softmax(torch.tensor([[1e4, 0.0]], dtype=torch.float64), 1.5)[0, 1].exp()
    assert_close(far, torch.tensor((1 + 0.5 * 1e4) ** -2.0, dtype=torch.float64), rtol=1e-3, atol=0)


def test_the_probabilities_of_bi_tempered_are_its_own() -> None:
    loss = losses.BiTempered(t2=2.0)
    p = torch.softmax(loss.logits(LOGITS), -1)
    assert_close(p, log_tempered_softmax(LOGITS, 2.0).exp())
    assert (p.amax(-1) < torch.softmax(LOGITS, -1).amax(-1)).all()


@pytest.mark.parametrize("matrix", [torch.tensor(MATRIX, dtype=torch.float64), UNIFORM])
def test_backward_correction_is_unbiased_and_forward_correction_is_the_likelihood(matrix: Tensor) -> None:
    """Over the labels that a class may have, the mean of the one is the cross-entropy of the class itself."""
    labels = [torch.full_like(TARGET, k) for k in range(CLASSES)]
    each = torch.stack([losses.backward_correction(LOGITS, label, matrix=matrix) for label in labels], -1)
    assert_close((matrix[TARGET] * each).sum(-1), losses.cross_entropy(LOGITS, TARGET))
    each = torch.stack([losses.forward_correction(LOGITS, label, matrix=matrix) for label in labels], -1)
    assert_close((-each).exp(), torch.softmax(LOGITS, -1) @ matrix)


@pytest.mark.parametrize("module", [losses.ForwardCorrection, losses.BackwardCorrection])
def test_a_matrix_may_be_a_list_a_tensor_or_an_array_and_is_checked(module: Any) -> None:
    listed = module(matrix=MATRIX)
    for given in (torch.tensor(MATRIX, dtype=torch.float64), torch.tensor(MATRIX, dtype=torch.float64).numpy()):
        assert repr(module(matrix=given)) == repr(listed)
    with pytest.raises(TypeError, match="item assignment"):
        listed.matrix[0][0] = 1.0
    with pytest.raises(ValueError, match="a row and a column for each of the 5 classes"):
        module(matrix=[[0.9, 0.1], [0.2, 0.8]])(LOGITS, TARGET)
    with pytest.raises(ValueError, match=r"each row of matrix must add up to 1, and row 1 adds up to 0\.9"):
        module(matrix=[[1.0, 0.0], [0.4, 0.5]])
    with pytest.raises(ValueError, match="column 1 of matrix is 0"):
        module(matrix=[[1.0, 0.0], [1.0, 0.0]])


def test_a_matrix_without_an_inverse_is_refused_by_backward_correction_alone() -> None:
    alike = [[0.5, 0.5], [0.5, 0.5]]
    losses.ForwardCorrection(matrix=alike)
    with pytest.raises(ValueError, match="matrix has no inverse that float32 can hold"):
        losses.BackwardCorrection(matrix=alike)


@pytest.mark.parametrize("module", [losses.ForwardCorrection, losses.BackwardCorrection])
def test_runs_with_a_matrix_each_are_computed_together(module: Any) -> None:
    """As replicates are, whose training labels differ."""
    members = [module(matrix=MATRIX), module(matrix=UNIFORM.tolist()), module(matrix=torch.eye(CLASSES))]
    stack = StackedLosses(members)
    assert len(stack.kinds) == 1
    logits = torch.stack([LOGITS, LOGITS.flip(0), 2 * LOGITS]).float()
    found = stack(logits, TARGET, shared=True)
    assert_close(found, torch.stack([loss(z, TARGET) for loss, z in zip(members, logits, strict=True)]))


@pytest.mark.slow
def test_forward_correction_undoes_labels_that_go_to_the_next_class(tmp_path: Path) -> None:
    """A planted truth: with 40 % of each class called the next one, the matrix decides."""
    losses_of = "loss=cross_entropy,forward_correction"
    stacked = ("-m", "hydra/launcher=vectorized", "study=pairs", "hydra.sweeper.report=false", "replicate=range(3)")
    command("train.py", *stacked, "data=digits", "data.label_noise=0.4", "data.noise=pairs", losses_of, runs=tmp_path)
    found: dict[str, list[float]] = {}
    for path in sorted(tmp_path.glob("pairs/*/*/result.json")):
        result = json.loads(path.read_text())
        found.setdefault(result["loss"], []).append(result["metrics"]["test/accuracy"])
    assert [len(each) for each in found.values()] == [3, 3]
    assert max(found["cross_entropy"]) < 0.8 < 0.93 < min(found["forward_correction"])
