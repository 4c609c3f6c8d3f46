"""The cosine losses with hand-written gradients.

Composed from single operations they make ten (batch, C) temporaries where cross-entropy makes three, and take three
times as long. Under vmap, and for what the fused form does not cover, the composed form computes the same.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

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


class _CosineDistance(Function):
    @staticmethod
    def forward(z: Tensor, target: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        inverse = _inverse_norm(z, floor)
        return 1 - (z.gather(-1, target.unsqueeze(-1)) * inverse).squeeze(-1), inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:2], *output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if grads[0] is None:
            return None, None, None
        z, target, distance, inverse = ctx.saved_tensors
        g = grads[0].unsqueeze(-1) * inverse
        grad = z * (g * inverse * (1 - distance).unsqueeze(-1))
        return grad.scatter_add_(-1, target.unsqueeze(-1), -g), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        distance = torch.vmap(cosine_distance_at, in_dims)(*inputs)
        return (distance, torch.zeros_like(distance)), (0, 0)


class _CosineXent(Function):
    @staticmethod
    def forward(z: Tensor, target: Tensor, xent_weight: float, scale: float, floor: float) -> tuple[Tensor, ...]:
        inverse, index = _inverse_norm(z, floor), target.unsqueeze(-1)
        scaled = z * (inverse * scale)
        p = torch.softmax(scaled, -1)
        true = scaled.gather(-1, index)
        if scale <= SAFE_SCALE:
            log_p = p.gather(-1, index).log_()
        else:  # the softmax's largest entry, at least 1 / C, gives the log-sum-exp
            log_p = true - scaled.amax(-1, keepdim=True) + p.amax(-1, keepdim=True).log_()
        true, expected = true.div_(scale), scaled.mul_(p).sum(-1, keepdim=True).div_(scale)
        return 1 - true.squeeze(-1), log_p.mul_(-xent_weight).squeeze(-1), p, true, expected, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        z, target, xent_weight, scale, _ = inputs
        ctx.factor = xent_weight * scale
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)  # zeros for p would cost as much as the rest
        ctx.save_for_backward(z, target, *output[2:])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor | None
    ) -> tuple[Tensor, None, None, None, None]:
        z, target, p, cos, expected_cos, inverse = ctx.saved_tensors
        # with u = z / ||z||: d/du = b p - a e_y, and d/dz = (d/du - u <d/du, u>) / ||z||
        of_distance, of_xent = (torch.zeros_like(inverse) if grad is None else grad.unsqueeze(-1) for grad in grads[:2])
        b = of_xent * (inverse * ctx.factor)
        a = (of_distance * inverse).add_(b)
        grad = (p * b).addcmul_(z, (a * cos - b * expected_cos).mul_(inverse))
        return grad.scatter_add_(-1, target.unsqueeze(-1), a.neg_()), None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        distance, xent = torch.vmap(cosine_xent_at, in_dims)(*inputs)
        return (distance, xent, *(torch.zeros_like(xent) for _ in range(4))), (0,) * 6


def fused_cosine_distance(z: Tensor, target: Tensor, floor: float) -> Tensor:
    """`cosine_distance_at` with one temporary; differentiable once."""
    return _CosineDistance.apply(z, target, floor)[0]  # pyright: ignore[reportIndexIssue]


def fused_cosine_xent(
    z: Tensor, target: Tensor, xent_weight: float, scale: float, floor: float
) -> tuple[Tensor, Tensor]:
    """`cosine_xent_at` with three temporaries; differentiable once."""
    return _CosineXent.apply(z, target, xent_weight, scale, floor)[:2]  # pyright: ignore[reportIndexIssue]
