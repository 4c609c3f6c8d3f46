"""The cosine losses with hand-written gradients.

Composed from single operations they make ten (batch, C) temporaries where cross-entropy makes three, and take three
times as long. Under vmap, for second derivatives, and for what the fused form does not cover, the composed form
computes the same.
"""

import torch
from torch import Tensor

from lossbench.losses.written import WrittenLoss, written

# |cosine| <= 1, so up to this scale every probability is above e^-60 / C: nothing underflows in float32.
SAFE_SCALE = 30.0


def inverse_norm(z: Tensor, floor: float) -> Tensor:
    """1 / sqrt(||z||^2 + floor^2): (batch, C) -> (batch, 1). The floor keeps the gradient at 0 finite."""
    return ((z * z).sum(-1, keepdim=True) + floor**2).rsqrt()


def cosine_distance_at(z: Tensor, target: Tensor, floor: float) -> Tensor:
    """1 - cosine between z and the axis of the target class: (batch,)."""
    return 1 - (z.gather(-1, target.unsqueeze(-1)) * inverse_norm(z, floor)).squeeze(-1)


def cosine_xent_at(z: Tensor, target: Tensor, xent_weight: float, scale: float, floor: float) -> tuple[Tensor, Tensor]:
    """`cosine_distance_at`, and xent_weight times the cross-entropy of scale z / ||z||: (batch,) each."""
    scaled = z * (inverse_norm(z, floor) * scale)
    index = target.unsqueeze(-1)
    true, log_p = scaled.gather(-1, index).squeeze(-1), torch.log_softmax(scaled, -1).gather(-1, index).squeeze(-1)
    return 1 - true / scale, -xent_weight * log_p


def _inverse_norm(z: Tensor, floor: float) -> Tensor:
    # `inverse_norm` without a temporary
    return torch.linalg.vector_norm(z, dim=-1, keepdim=True).square_().add_(floor**2).rsqrt_()


def fused_cosine_distance(z: Tensor, target: Tensor, floor: float) -> Tensor:
    """`cosine_distance_at` with one temporary."""

    def forward(z: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        inverse = _inverse_norm(z, floor)
        distance = 1 - (z.gather(-1, index) * inverse).squeeze(-1)
        return distance, (1 - distance).unsqueeze(-1), inverse

    def backward(g: Tensor, z: Tensor, index: Tensor, cos: Tensor, inverse: Tensor) -> Tensor:
        g = g * inverse
        return (z * (g * inverse * cos)).scatter_add_(-1, index, -g)

    return written(z, target, WrittenLoss(lambda z, y: cosine_distance_at(z, y, floor), forward, backward, 2))[0]


def fused_cosine_xent(
    z: Tensor, target: Tensor, xent_weight: float, scale: float, floor: float
) -> tuple[Tensor, Tensor]:
    """`cosine_xent_at` with three temporaries."""
    factor = xent_weight * scale

    def composed(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return cosine_xent_at(z, y, xent_weight, scale, floor)

    def forward(z: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        inverse = _inverse_norm(z, floor)
        scaled = z * (inverse * scale)
        p = torch.softmax(scaled, -1)
        true = scaled.gather(-1, index)
        if scale <= SAFE_SCALE:
            log_p = p.gather(-1, index).log_()
        else:  # the softmax's largest entry, at least 1 / C, gives the log-sum-exp
            log_p = true - scaled.amax(-1, keepdim=True) + p.amax(-1, keepdim=True).log_()
        true, expected = true.div_(scale), scaled.mul_(p).sum(-1, keepdim=True).div_(scale)
        return 1 - true.squeeze(-1), log_p.mul_(-xent_weight).squeeze(-1), p, true, expected, inverse

    def backward(
        of_distance: Tensor, of_xent: Tensor, z: Tensor, index: Tensor, p: Tensor, cos: Tensor, *rest: Tensor
    ) -> Tensor:
        expected_cos, inverse = rest
        # with u = z / ||z||: d/du = b p - a e_y, and d/dz = (d/du - u <d/du, u>) / ||z||
        b = of_xent * (inverse * factor)
        a = (of_distance * inverse).add_(b)
        grad = (p * b).addcmul_(z, (a * cos - b * expected_cos).mul_(inverse))
        return grad.scatter_add_(-1, index, a.neg_())

    distance, xent = written(z, target, WrittenLoss(composed, forward, backward, 4, 2))
    return distance, xent
