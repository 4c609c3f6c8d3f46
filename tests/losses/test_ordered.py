"""Losses of classes in order: published values, probabilities, and heads."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.testing import assert_close

from lossbench import losses
from lossbench.losses.outputs import RankOutput
from lossbench.models.rank_heads import CoralHead, CornHead

TARGET = torch.tensor([0, 1, 2, 3, 4, 2, 4])


def ranks(dtype: torch.dtype = torch.float64) -> Tensor:
    return 2 * torch.randn(7, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)


def test_coral_is_the_example_of_the_authors_documentation() -> None:
    logits = torch.tensor([[2.1, 1.8, -2.1, -1.8], [1.9, -1.0, -1.5, -1.3], [1.9, 1.8, 1.7, 1.6]])
    assert losses.Coral()(logits, torch.tensor([2, 1, 4])).item() == pytest.approx(0.6920, abs=5e-5)


def test_coral_of_two_classes_is_binary_cross_entropy_and_of_ranks_the_sum_of_it() -> None:
    z, levels = ranks(), (torch.arange(4) < TARGET[:, None]).double()
    own = torch.nn.functional.binary_cross_entropy_with_logits(z, levels, reduction="none")
    assert_close(losses.coral(z, TARGET), own.sum(1))
    assert_close(losses.coral(z[:, :1], TARGET.clamp(max=1)), own[:, 0])


def test_corn_is_the_cross_entropy_of_its_probabilities() -> None:
    made = RankOutput.conditional(ranks())
    assert_close(losses.corn(made.ranks, TARGET), losses.cross_entropy(made.logits, TARGET))
    assert_close(losses.Corn()(made, TARGET), losses.CrossEntropy()(made.logits, TARGET))


@pytest.mark.parametrize("make", [RankOutput.cumulative, RankOutput.conditional], ids=["coral", "corn"])
def test_probabilities_sum_to_one_and_ranks_never_contradict_each_other(make: object) -> None:
    z = torch.cat((ranks(), 1e4 * ranks(), torch.zeros(1, 4, dtype=torch.float64)))
    p = make(z).logits.exp()  # pyright: ignore[reportCallIssue]
    assert_close(p.sum(1), torch.ones(len(p), dtype=torch.float64))
    assert (p >= 0).all()
    higher = p.flip(1).cumsum(1).flip(1)[:, 1:]  # P(y > k)
    assert (higher.diff(dim=1) <= 0).all()
    expected = z.sigmoid().cumprod(1) if make == RankOutput.conditional else z.sort(1, descending=True).values.sigmoid()
    assert_close(higher, expected)
    half = make(z.to(torch.float32)).logits  # pyright: ignore[reportCallIssue]
    assert half.isfinite().all()


def test_squared_emd_grows_with_the_distance_and_takes_distributions() -> None:
    certain = torch.eye(5)[torch.zeros(5, dtype=torch.int64)] * 50
    assert losses.squared_emd(certain, torch.arange(5)).tolist() == pytest.approx([0, 1, 2, 3, 4])
    soft = ranks()[:, :1].expand(-1, 5).softmax(1)
    assert_close(losses.squared_emd(soft.log(), soft), torch.zeros(7, dtype=torch.float64))
    p, t = ranks().softmax(1), ranks().flip(0).softmax(1)
    naive = sum((p[:, : k + 1].sum(1) - t[:, : k + 1].sum(1)) ** 2 for k in range(4))
    assert_close(losses.squared_emd(p.log(), t), torch.as_tensor(naive))


def test_heads_make_what_the_losses_take() -> None:
    x = ranks(torch.float32)
    coral, corn = CoralHead(1, 5), CornHead(4)
    assert coral.bias.tolist() == [1, 0.75, 0.5, 0.25]
    assert_close(coral(x[:, :1]).ranks, x[:, :1] + coral.bias)
    assert_close(corn(x).ranks, x[:, :3])
    for head, given in ((coral, x[:, :1]), (corn, x)):
        together = vmap(head)(torch.stack((given, -given)))
        assert_close(together.logits[0], head(given).logits)
        assert head(given.bfloat16()).logits.dtype == torch.float32
    with pytest.raises(ValueError, match="num_features must be 1"):
        CoralHead(3, 5)


@pytest.mark.parametrize("loss", [losses.coral, losses.corn], ids=["coral", "corn"])
def test_class_probabilities_are_refused(loss: object) -> None:
    with pytest.raises(ValueError, match=r"^target must be class indices, int64 \(7,\), got torch.float64"):
        loss(ranks(), ranks().softmax(1))  # pyright: ignore[reportCallIssue]
