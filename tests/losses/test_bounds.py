"""Losses of cosines refuse logits, where looking at them costs next to nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lossbench import losses
from lossbench.losses.outputs import ClassCosines

OF_COSINES = [
    losses.NormalizedSoftmax(),
    losses.CosFace(),
    losses.ArcFace(),
    losses.TvMF(),
    losses.LDAM(),
    losses.AdaCos(),
]
OF_EMBEDDINGS = [losses.Cosine(), losses.CosineXent()]
Y = torch.tensor([0, 1, 2])


def logits(true: float) -> Tensor:
    """Numbers (3, 3), 0.5 but for those of the true classes."""
    return torch.full((3, 3), 0.5).fill_diagonal_(true)


def named(loss: losses.Loss) -> str:
    return type(loss).__name__


@pytest.mark.parametrize("true", [3.0, -1.5, torch.inf])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("loss", OF_COSINES, ids=named)
def test_logits_are_refused_and_the_head_is_named(loss: losses.Loss, soft: bool, true: float) -> None:
    target = torch.eye(3) if soft else Y
    name = loss.function.__name__
    line = rf"{name} takes cosines within \[-1, 1\], got {abs(true):.3g}, .*CosineHead\(.*scale=1.0\)"
    with pytest.raises(ValueError, match=line):
        loss(logits(true), target)
    assert loss(logits(1.02).to(torch.bfloat16), target).isfinite()  # as bfloat16 rounds cosines
    assert loss(logits(torch.nan), target).isnan()  # a run that diverged is no wrong input
    assert loss(torch.zeros(0, 3), target[:0]).isnan()


@pytest.mark.parametrize("loss", OF_EMBEDDINGS, ids=named)
def test_logits_in_place_of_cosines_with_class_embeddings_are_refused(loss: losses.Loss) -> None:
    with pytest.raises(ValueError, match=r"got 3, as logits are: .*ClassEmbeddings\(rows\)"):
        loss(ClassCosines(logits(3.0)), Y)
    assert loss(logits(3.0), Y).isfinite()  # without embeddings it takes logits


@pytest.mark.parametrize("loss", OF_COSINES, ids=named)
def test_under_vmap_nothing_is_looked_at(loss: losses.Loss) -> None:
    def gradient(z: Tensor) -> Any:
        return torch.func.grad(lambda z: loss(z, Y))(z)

    stacked = torch.stack([logits(3.0), logits(0.9)])
    found = torch.vmap(gradient)(stacked)
    torch.testing.assert_close(found[1], gradient(logits(0.9)))
