"""Heads: from features to logits, and what a loss needs behind them. Learnable weights live here, never in a loss."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossbench.config.model_rules import check_choice
from lossbench.config.rules import check_loss
from lossbench.losses.outputs import ClassCosines, HeadOutput


class CosineXentHead(nn.Module):
    """Predicting head of the cosine + cross-entropy loss: L2-normalise, ReLU, BatchNorm, Linear.

    Args:
        num_classes: C; the embedding that comes in has this size too.

    Reference:
        Barz & Denzler 2020, arXiv 1901.09054, section 3.
    """

    def __init__(self, num_classes: int) -> None:
        """Build the layers."""
        super().__init__()
        self.norm = nn.BatchNorm1d(num_classes)
        self.linear = nn.Linear(num_classes, num_classes)

    def forward(self, x: Tensor) -> HeadOutput:
        """Give the embedding (batch, C) on with the logits (batch, C) made of it."""
        return HeadOutput(embedding=x, logits=self.linear(self.norm(F.relu(F.normalize(x, dim=-1, eps=1e-6)))))


def pooled(x: Tensor) -> Tensor:
    """Average a feature map (batch, D, h, w) over its positions; features (batch, D) stay as they are."""
    return x.mean((-2, -1)) if x.ndim == 4 else x


class LinearHead(nn.Module):
    """Global average pooling, then a linear layer: logits = W x + b.

    Args:
        num_features: D.
        num_classes: C.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map a feature map (batch, D, h, w) or features (batch, D) to logits (batch, C)."""
        return self.linear(pooled(x))


class ConcatPoolHead(nn.Module):
    """Average and max pooling side by side, BatchNorm, Dropout 0.25, Linear, ReLU, BatchNorm, Dropout 0.5, Linear.

    The linear layers have no bias and start from Kaiming's normal distribution.

    Args:
        num_features: D.
        num_classes: C.
        hidden: width between the two linear layers.

    Reference:
        Howard & Gugger 2020, fastai, arXiv 2002.04688: create_head.
    """

    def __init__(self, num_features: int, num_classes: int, hidden: int = 512) -> None:
        super().__init__()
        first, last = nn.Linear(2 * num_features, hidden, bias=False), nn.Linear(hidden, num_classes, bias=False)
        for linear in (first, last):
            nn.init.kaiming_normal_(linear.weight)
        before = [nn.BatchNorm1d(2 * num_features), nn.Dropout(0.25), first]
        self.layers = nn.Sequential(*before, nn.ReLU(), nn.BatchNorm1d(hidden), nn.Dropout(0.5), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map a feature map (batch, D, h, w) to logits (batch, C).

        Raises:
            ValueError: x is no map, so that there is nothing to pool.
        """
        if x.ndim != 4:
            raise ValueError(
                f"head=concat_pool needs feature maps (batch, D, h, w), got shape {tuple(x.shape)}; use head=linear "
                "or cosine"
            )
        # Not adaptive_max_pool2d: on a GPU its gradient is not deterministic.
        return self.layers(torch.cat([pooled(x), x.amax((-2, -1))], dim=1))


class CosineHead(nn.Module):
    """Cosine classifier: logit_c = scale * cos(x, w_c), within [-scale, scale], computed in at least float32.

    The default scale lets p_y reach 0.9999 with up to 900 classes: p_y = P needs scale >= (C - 1) / C * log((C - 1) P
    / (1 - P)).

    Args:
        num_features: D.
        num_classes: C.
        scale: > 0; how far logits can lie apart.

    Raises:
        ValueError: scale is no number > 0.

    Reference:
        Wang et al. 2017, NormFace, arXiv 1704.06369, section 3; the bound: Wang et al. 2018, CosFace, arXiv
        1801.09414, equation 6.
    """

    def __init__(self, num_features: int, num_classes: int, scale: float = 16.0) -> None:
        super().__init__()
        check_loss("CosineHead", {"scale": scale})
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(num_classes, num_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map a feature map (batch, D, h, w) or features (batch, D) to logits (batch, C)."""
        return self.scale * cosines(pooled(x), self.weight)


def cosines(x: Tensor, weight: Tensor) -> Tensor:
    """Cosines between features (batch, D) and the rows of (C, D): (batch, C), in at least float32 under autocast."""
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(x.dtype, torch.float32)
        features, rows = (F.normalize(t.to(dtype), dim=-1, eps=1e-6) for t in (x, weight))
        return F.linear(features, rows)


class ClassEmbeddings(nn.Module):
    """Cosines between the model's output and fixed embeddings of the classes.

    Args:
        rows: (C, D), numbers; the model's output has D.

    Reference:
        Barz & Denzler 2019, Hierarchy-based Image Embeddings for Semantic Image Retrieval, arXiv 1809.09924, section 3.
    """

    def __init__(self, rows: object) -> None:
        super().__init__()
        self.register_buffer("rows", torch.as_tensor(rows, dtype=torch.float32))

    def forward(self, x: Tensor) -> ClassCosines:
        """Map features (batch, D) to cosines (batch, C)."""
        return ClassCosines(cosines(x, self.get_buffer("rows")))


HEADS: dict[str, type[nn.Module]] = {"linear": LinearHead, "concat_pool": ConcatPoolHead, "cosine": CosineHead}


def make_head(name: str, num_features: int, num_classes: int, scale: float | None = None) -> nn.Module:
    """Build the head of this name.

    Args:
        name: linear, concat_pool or cosine.
        num_features: D.
        num_classes: C.
        scale: of the cosine head; None is its default.

    Raises:
        ValueError: there is no such head, or it has no scale.
    """
    check_choice("head", name, tuple(HEADS))
    if scale is None:
        return HEADS[name](num_features, num_classes)
    if name != "cosine":
        raise ValueError(f"scale belongs to head=cosine, got scale={scale} with head={name}; use scale=null")
    return CosineHead(num_features, num_classes, scale)
