"""A function traced to plain operations: the work of vmap and autograd costs more than that of small models."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

FEW = 16  # classes; torch's softmax over so short a last dimension fills a part of a vector register

aten = torch.ops.aten


def trace(function: Callable[..., Sequence[Tensor]], *examples: Tensor) -> Callable[..., Sequence[Tensor]]:
    """Write out what a function does to tensors of these shapes.

    Args:
        function: of tensors; it may change them in place, and take gradients inside.
        examples: its arguments; it is called with them.

    Returns:
        The same function of tensors of the same shapes, without gradients of its own.
    """
    module = make_fx(function)(*examples)
    if not examples[0].is_cuda:
        _transpose_softmax(module.graph)
        module.recompile()
    return torch.no_grad()(module.forward)


def _transpose_softmax(graph: fx.Graph) -> None:
    short = {aten._log_softmax.default: _log_softmax, aten._log_softmax_backward_data.default: _log_softmax_backward}
    for node in graph.nodes:
        if node.target in short and node.meta["val"].shape[-1] <= FEW:
            node.target = short[node.target]


def _log_softmax(z: Tensor, dim: int, half: bool) -> Tensor:
    columns = z.movedim(dim, 0)
    return aten._log_softmax.default(columns.contiguous(), 0, half).movedim(0, dim)


def _log_softmax_backward(gradient: Tensor, output: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    columns = gradient.movedim(dim, 0).contiguous(), output.movedim(dim, 0).contiguous()
    return aten._log_softmax_backward_data.default(*columns, 0, dtype).movedim(0, dim)
