"""The operations of one run, executed for K runs whose dimension is the last, innermost in memory.

torch.func.vmap puts the dimension of the runs first: a compiler that vectorises the last dimension finds there the four
classes of a small model, or its eight features. With the runs last it finds a thousand runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten


class UnknownOperationError(NotImplementedError):
    """An operation has no form for tensors with the runs last."""


@dataclass(frozen=True, eq=False)
class Runs:
    """A tensor of K runs, (..., K); other tensors are those that all runs share."""

    tensor: Tensor


class RunsLast(fx.Interpreter):
    """Execute the graph of one run for all of them.

    Args:
        module: the graph of functional operations on the tensors of one run, with their shapes (`meta["val"]`).
        runs: K.
    """

    def __init__(self, module: fx.GraphModule, runs: int) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.runs = runs
        self.node: fx.Node = next(iter(module.graph.nodes))

    def run_node(self, n: fx.Node) -> Any:
        """Execute one operation."""
        self.node = n
        return super().run_node(n)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Execute an operation: as it is where no run differs, otherwise by its rule.

        Raises:
            UnknownOperationError: there is no rule for it.
        """
        if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
            return _refuse(target)  # each run draws its own numbers
        if target is getitem or not any(isinstance(each, Runs) for each in _leaves((args, kwargs))):
            return super().call_function(target, args, kwargs)
        if target in RULES:
            return RULES[target](self, *args, **kwargs)
        if torch.Tag.pointwise in getattr(target, "tags", ()):
            return self._pointwise(target, args, kwargs)
        return _refuse(target)

    def _pointwise(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
        """Align the dimensions of one run; a number of each run has a tensor's precision, as a plain number has."""
        tensors = [each for each in _leaves((args, kwargs)) if isinstance(each, Runs | Tensor)]
        rank = max(map(_rank, tensors))
        of_tensors = (_tensor(each) for each in tensors if _rank(each))
        dtype = next((tensor.dtype for tensor in of_tensors if tensor.is_floating_point()), None)

        def aligned(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)(map(aligned, value))
            if not isinstance(value, Runs | Tensor):
                return value
            tensor = value.tensor if isinstance(value, Runs) else value[..., None]
            if _rank(value) < rank:
                tensor = tensor.reshape(*[1] * (rank - _rank(value)), *tensor.shape)
            is_number = not _rank(value) and rank and tensor.is_floating_point() and dtype is not None
            return tensor.to(dtype) if is_number else tensor

        return Runs(target(*aligned(args), **{name: aligned(value) for name, value in kwargs.items()}))

    def last(self, value: Any) -> Tensor:
        """A tensor with the dimension of the runs, of size 1 where they share it."""
        return value.tensor if isinstance(value, Runs) else value[..., None]

    def of_all(self, value: Any) -> Tensor:
        """A tensor with the dimension of the runs, of size K."""
        return value.tensor if isinstance(value, Runs) else value[..., None].expand(*value.shape, self.runs)


def _tensor(value: Any) -> Tensor:
    return value.tensor if isinstance(value, Runs) else value


def _rank(value: Any) -> int:
    """Dimensions of one run."""
    return value.tensor.ndim - 1 if isinstance(value, Runs) else value.ndim


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Runs):
        return [value]
    if isinstance(value, Mapping):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list | tuple):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]


Rule = Callable[..., Any]


def _dims(dims: int | Sequence[int], rank: int) -> Any:
    return dims % rank if isinstance(dims, int) else [dim % rank for dim in dims] or list(range(rank))


def _reduction(target: Any) -> Rule:
    """Of some dimensions, None or [] of all."""

    def rule(engine: RunsLast, x: Runs, dim: Any = None, *rest: Any, **kwargs: Any) -> Any:
        rank = _rank(x)
        if not rank:
            return x if target in OF_ONE_NUMBER else _refuse(target)
        dims = list(range(rank)) if dim is None else _dims(dim, rank)
        found = target(x.tensor, dims, *rest, **kwargs)
        return tuple(map(Runs, found)) if isinstance(found, tuple | list) else Runs(found)

    return rule


def _refuse(target: Any) -> Any:
    raise UnknownOperationError(f"{target} has no form with the runs last")


def _of_all_dims(target: Any) -> Rule:
    """A reduction to one number."""

    def rule(engine: RunsLast, x: Runs, **kwargs: Any) -> Runs:
        return Runs(target(x.tensor, list(range(_rank(x))), **kwargs)) if _rank(x) else x

    return rule


def _along(target: Any) -> Rule:
    """An operation along one dimension, which keeps the others."""

    def rule(engine: RunsLast, x: Runs, dim: int = 0, *rest: Any, **kwargs: Any) -> Any:
        return Runs(target(x.tensor, dim % max(_rank(x), 1), *rest, **kwargs))

    return rule


def _indexed(target: Any) -> Rule:
    """gather and scatter: an index, and perhaps values, of each run."""

    def rule(engine: RunsLast, x: Any, dim: int, index: Any, *source: Any, **kwargs: Any) -> Runs:
        values = [engine.of_all(each) if isinstance(each, Runs | Tensor) else each for each in source]
        where = dim % max(_rank(x), 1)
        return Runs(target(engine.of_all(x), where, engine.of_all(index), *values, **kwargs))

    return rule


def _index(engine: RunsLast, x: Any, indices: Sequence[Any]) -> Runs:
    """Rows of a table that all runs share."""
    if isinstance(x, Runs) or len(indices) > 1:
        return _refuse(aten.index.Tensor)
    rows = indices[0].tensor
    return Runs(x[rows].movedim(rows.ndim - 1, -1))


def _view(engine: RunsLast, x: Runs, shape: Sequence[int]) -> Runs:
    return Runs(x.tensor.reshape(*engine.node.meta["val"].shape, engine.runs))


def _expand(engine: RunsLast, x: Runs, shape: Sequence[int], **kwargs: Any) -> Runs:
    target, missing = engine.node.meta["val"].shape, len(shape) - _rank(x)
    return Runs(x.tensor.reshape(*[1] * missing, *x.tensor.shape).expand(*target, engine.runs))


def _copy(engine: RunsLast, x: Any, source: Any, *args: Any) -> Runs:
    """Other numbers in the shape of a tensor."""
    target, tensor = engine.node.meta["val"], engine.of_all(source)
    missing = target.ndim + 1 - tensor.ndim
    whole = tensor.to(target.dtype).reshape(*[1] * missing, *tensor.shape)
    return Runs(whole.expand(*target.shape, engine.runs))


def _permute(engine: RunsLast, x: Runs, dims: Sequence[int]) -> Runs:
    return Runs(x.tensor.permute(*[dim % _rank(x) for dim in dims], _rank(x)))


def _transpose(engine: RunsLast, x: Runs, *dims: int) -> Runs:
    first, second = (dim % _rank(x) for dim in dims or (0, 1))
    return x if _rank(x) < 2 else Runs(x.tensor.transpose(first, second))


def _unsqueeze(engine: RunsLast, x: Runs, dim: int) -> Runs:
    return Runs(x.tensor.unsqueeze(dim % (_rank(x) + 1)))


def _cat(engine: RunsLast, tensors: Sequence[Any], dim: int = 0) -> Runs:
    rank = max(map(_rank, tensors))
    return Runs(torch.cat([engine.of_all(each) for each in tensors], dim % rank))


def _like(target: Any) -> Rule:
    """A tensor filled with one number: all runs share it."""

    def rule(engine: RunsLast, x: Runs, *rest: Any, **kwargs: Any) -> Tensor:
        return target(x.tensor[..., 0], *rest, **kwargs)

    return rule


def _mm(engine: RunsLast, a: Any, b: Any) -> Runs:
    """A sum of products: no call of a library for each run's small matrices."""
    return Runs((engine.last(a).unsqueeze(2) * engine.last(b).unsqueeze(0)).sum(1))


def _addmm(engine: RunsLast, bias: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Runs:
    product = _mm(engine, a, b).tensor
    return Runs(beta * engine.last(bias) + alpha * product if (beta, alpha) != (1, 1) else engine.last(bias) + product)


def _same(engine: RunsLast, x: Runs, *args: Any, **kwargs: Any) -> Runs:
    return x


def _to_copy(engine: RunsLast, x: Runs, *, dtype: torch.dtype | None = None, **kwargs: Any) -> Runs:
    return x if dtype is None else Runs(x.tensor.to(dtype))


REDUCTIONS = (
    aten.sum.dim_IntList, aten.mean.dim, aten.amax.default, aten.amin.default, aten.argmax.default, aten.prod.dim_int,
    aten.any.dim, torch.ops.prims.rev.default, aten.var_mean.correction, aten.var.correction, aten.logsumexp.default,
    aten.max.dim, aten.min.dim,
)  # fmt: skip
OF_ONE_NUMBER = (aten.sum.dim_IntList, aten.mean.dim, aten.amax.default, aten.amin.default)
"""Reductions that leave one number as it is."""
OF_ALL = {aten.sum.default: aten.sum.dim_IntList, aten.mean.default: aten.mean.dim}
ALONG = (
    aten.select.int, aten.slice.Tensor, aten.squeeze.dim, aten.cumsum.default, aten._softmax.default,
    aten._log_softmax.default,
)  # fmt: skip
INDEXED = (
    aten.gather.default, aten.scatter.value, aten.scatter.src, aten.scatter_add.default,
)  # fmt: skip
LIKE = (
    aten.zeros_like.default, aten.ones_like.default, aten.full_like.default, aten.new_zeros.default,
    aten.new_ones.default, aten.new_full.default,
)  # fmt: skip
RULES: dict[Any, Rule] = {
    **{target: _reduction(target) for target in REDUCTIONS},
    **{target: _of_all_dims(form) for target, form in OF_ALL.items()},
    **{target: _along(target) for target in ALONG},
    **{target: _indexed(target) for target in INDEXED},
    **{target: _like(target) for target in LIKE},
    aten.squeeze.dims: _reduction(aten.squeeze.dims),
    aten.view.default: _view, aten.reshape.default: _view, aten._unsafe_view.default: _view,
    aten.expand.default: _expand, aten.permute.default: _permute, aten.t.default: _transpose,
    aten.transpose.int: _transpose, aten.unsqueeze.default: _unsqueeze, aten.cat.default: _cat,
    aten.index.Tensor: _index, aten.mm.default: _mm, aten.addmm.default: _addmm,
    aten.alias.default: _same, aten.detach.default: _same, aten.clone.default: _same,
    aten.copy.default: _copy, aten.lift_fresh_copy.default: _same, aten._to_copy.default: _to_copy,
}  # fmt: skip
