"""Losses on class indices with hand-written gradients: composed of single operations they take twice as long.

A gradient that is itself to be differentiated (create_graph, torch.func) comes from the composed operations.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

CHUNK = 50  # factors of at least 1 / 2, whose product is a float32


class WrittenLoss(NamedTuple):
    """A loss of (batch, C) numbers and (batch,) class indices with its own forward and backward pass.

    An example's values depend on its own row alone.

    Args:
        composed: the values (batch,), one or a tuple, from differentiable operations.
        forward: of the numbers and the index (batch, 1): the values and `saved` more tensors.
        backward: of a gradient (batch, 1) for each value, the numbers, the index (batch, 1) and those tensors: the
            gradient (batch, C).
        saved: how many.
        values: how many.
    """

    composed: Callable[[Tensor, Tensor], Tensor | tuple[Tensor, ...]]
    forward: Callable[[Tensor, Tensor], tuple[Tensor, ...]]
    backward: Callable[..., Tensor]
    saved: int
    values: int = 1


class _Written(Function):
    @staticmethod
    def forward(z: Tensor, target: Tensor, loss: WrittenLoss) -> tuple[Tensor, ...]:
        return loss.forward(z, target.unsqueeze(-1))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        z, target, ctx.loss = inputs
        saved = output[ctx.loss.values :]
        ctx.mark_non_differentiable(*saved)
        ctx.set_materialize_grads(False)  # zeros for the saved tensors would cost as much as the rest
        ctx.save_for_backward(z, target, *saved)
        ctx.save_for_forward(z, target)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        z, target, *saved = ctx.saved_tensors
        given = [z.new_zeros(target.shape) if grad is None else grad for grad in grads[: ctx.loss.values]]
        if torch.is_grad_enabled():  # the gradient is to be differentiated again
            return _slope(ctx.loss, z, target, given), None, None
        columns = [grad.unsqueeze(-1) for grad in given]
        return ctx.loss.backward(*columns, z, target.unsqueeze(-1), *saved), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor | None, ...]:
        z, target = ctx.saved_tensors
        count = ctx.loss.values
        along: list[Tensor | None] = [None] * (count + ctx.loss.saved)
        for k in range(count):
            weights = [z.new_full(target.shape, float(k == other)) for other in range(count)]
            along[k] = (_slope(ctx.loss, z, target, weights) * tangents[0]).sum(-1)
        return tuple(along)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        z, target, loss = inputs
        values = torch.vmap(lambda z, target: _composed(loss, z, target), in_dims[:2])(z, target)
        nothing = [torch.zeros_like(values[0]) for _ in range(loss.saved)]
        return (*values, *nothing), (0,) * (loss.values + loss.saved)


def _composed(loss: WrittenLoss, z: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    values = loss.composed(z, target)
    return values if isinstance(values, tuple) else (values,)


def _slope(loss: WrittenLoss, z: Tensor, target: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Gradient (batch, C) of the weighted sum of the values, from differentiable operations."""
    pull = torch.func.vjp(lambda z: _composed(loss, z, target), z)[1]
    return pull(tuple(weights))[0]


def written(z: Tensor, target: Tensor, loss: WrittenLoss) -> tuple[Tensor, ...]:
    """Compute a loss by its own forward pass: (batch,) for each of its values."""
    return _Written.apply(z, target, loss)[: loss.values]  # pyright: ignore[reportIndexIssue]


def softmax_and_log(z: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax (batch, C) and its logarithm at the index (batch, 1)."""
    p = torch.softmax(z, -1)
    # log-sum-exp = the largest logit - the log of its probability
    return p, z.gather(-1, index) - z.amax(-1, keepdim=True) + p.amax(-1, keepdim=True).log_()


def shifted_xent(scale: float, shift: Callable[[Tensor], tuple[Tensor, Tensor | float]], composed: Any) -> WrittenLoss:
    """Cross-entropy of scaled cosines with the true class's cosine shifted.

    Args:
        scale: of all scores.
        shift: the true class's cosine to what takes its place, and the derivative.
        composed: see `WrittenLoss`.
    """

    def forward(cos: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        shifted, slope = shift(cos.gather(-1, index))
        p, log_p = softmax_and_log((cos * scale).scatter_(-1, index, shifted * scale), index)
        return -log_p.squeeze(-1), p, (p.gather(-1, index) - 1) * slope

    def backward(g: Tensor, _: Tensor, index: Tensor, p: Tensor, own: Tensor) -> Tensor:
        g = g * scale
        return (p * g).scatter_(-1, index, own * g)

    return WrittenLoss(composed, forward, backward, 2)


def similarity_xent(kappa: float, scale: float, composed: Any) -> WrittenLoss:
    """Cross-entropy of t-vMF similarities; kappa is not near 0.

    (1 + cos) / (1 + kappa (1 - cos)) = (1 + 2 kappa) / kappa / (1 + kappa (1 - cos)) less a constant, which cancels in
    a softmax.
    """
    slope = scale * (1 + 2 * kappa)

    def forward(cos: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        compact = torch.rsub(cos, 1 + kappa, alpha=kappa).reciprocal_()
        p, log_p = softmax_and_log(compact * (slope / kappa), index)
        return -log_p.squeeze(-1), p, compact

    def backward(g: Tensor, _: Tensor, index: Tensor, p: Tensor, compact: Tensor) -> Tensor:
        g = g * slope
        return (p * g).scatter_add_(-1, index, -g).mul_(compact).mul_(compact)

    return WrittenLoss(composed, forward, backward, 2)


def xent_and_squares(composed: Any) -> WrittenLoss:
    """Cross-entropy plus the mean square of the wrong classes' logits."""

    def forward(z: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        p, log_p = softmax_and_log(z, index)
        wrong = z.scatter(-1, index, 0.0)
        return torch.linalg.vector_norm(wrong, dim=-1).square() / (z.shape[-1] - 1) - log_p.squeeze(-1), p, wrong

    def backward(g: Tensor, _: Tensor, index: Tensor, p: Tensor, wrong: Tensor) -> Tensor:
        return (p * g).addcmul_(wrong, g * (2 / (p.shape[-1] - 1))).scatter_add_(-1, index, -g)

    return WrittenLoss(composed, forward, backward, 2)


def sigmoids(composed: Any) -> WrittenLoss:
    """Sum of a binary cross-entropy for each class, in float32 exact to about 1e-6 nats.

    log(1 + e^u) = max(u, 0) - log s(|u|) with the sigmoid s: of products of s only one logarithm is taken.
    """

    def forward(z: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        u = z.scatter(-1, index, -z.gather(-1, index))
        s = torch.sigmoid(u)
        larger = torch.rsub(s, 1)
        torch.maximum(s, larger, out=larger)  # s(|u|)
        chunked = larger.shape[-1] // CHUNK * CHUNK
        products = larger[:, :chunked].unflatten(-1, (-1, CHUNK)).prod(-1)
        log_product = products.log_().sum(-1) + larger[:, chunked:].log().sum(-1)
        return u.relu_().sum(-1) - log_product, s

    def backward(g: Tensor, _: Tensor, index: Tensor, s: Tensor) -> Tensor:
        return (s * g).scatter_(-1, index, -s.gather(-1, index) * g)

    return WrittenLoss(composed, forward, backward, 1)
