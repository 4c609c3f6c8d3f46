"""A cosine classifier with several vectors for each class."""

import torch
from torch import Tensor, nn

from lossbench.config.rules import check_loss
from lossbench.models.heads import cosines, pooled


class SubCenterHead(nn.Module):
    """Cosine classifier whose class has several vectors, of which the nearest counts: cos_c = max_k cos(x, w_ck).

    Args:
        num_features: D.
        num_classes: C.
        centers: K >= 1, vectors of each class; 3 in the paper, 1 is CosineHead with scale 1.

    Raises:
        ValueError: centers is no whole number >= 1.

    Reference:
        Deng et al. 2020, Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces, ECCV 2020; the
        equation's number is not checked against the paper.
    """

    def __init__(self, num_features: int, num_classes: int, centers: int = 3) -> None:
        super().__init__()
        check_loss("SubCenterHead", {"centers": centers})
        self.weight = nn.Parameter(torch.empty(num_classes * centers, num_features))
        self.centers = centers
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map a feature map (batch, D, h, w) or features (batch, D) to cosines (batch, C)."""
        return cosines(pooled(x), self.weight).unflatten(-1, (-1, self.centers)).amax(-1)
