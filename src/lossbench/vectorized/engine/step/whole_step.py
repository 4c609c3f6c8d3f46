"""A whole training step of a stack as one graph: from a batch and the state of all runs to their next state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from lossbench.vectorized.engine.batches import Batch
from lossbench.vectorized.engine.losses import StackedLosses, labels, mean_terms, reduced
from lossbench.vectorized.engine.optimizers import Numbers
from lossbench.vectorized.engine.step.of_one_run import OfOneRun, Value
from lossbench.vectorized.engine.step.program import Logged, Sums
from lossbench.vectorized.engine.step.runs_last import Runs

ZERO_MEANS_NONE = ("weight_decay", "mu")
"""Numbers of an optimiser that are left out of its update where they are 0 in all runs."""


def graph_of(
    function: Callable[..., Sequence[Tensor]],
    examples: Sequence[Tensor],
    decompositions: Mapping[Any, Any] | None = None,
) -> fx.GraphModule:
    """Trace a function without gradients; what it changes in place is copied at the end of the graph."""
    fake = FakeTensorMode()
    with torch.no_grad():
        given = [fake.from_tensor(each.detach(), static_shapes=True) for each in examples]
        functional = torch.func.functionalize(function, remove="mutations")
        with fake:
            return make_fx(functional, decomposition_table=dict(decompositions or {}))(*given)


class Slots:
    """Where the numbers of a step are in a row of numbers that all runs share, and in columns of those of each.

    Args:
        numbers: of an update, as an example.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._static = {name: value for name, value in numbers.items() if _is_static(name, value)}
        varying = {name: value for name, value in numbers.items() if name not in self._static}
        self._columns = [name for name, value in varying.items() if isinstance(value, Tensor)]
        self._shared = [name for name in varying if name not in self._columns]

    def row(self, progress: float, numbers: Numbers) -> Tensor:
        """The progress of training and the numbers that all runs share, float64, on the CPU."""
        return torch.tensor([progress, *(numbers[name] for name in self._shared)], dtype=torch.float64)

    def columns(self, numbers: Numbers) -> list[Tensor]:
        """The numbers of each run, (K,)."""
        return [torch.as_tensor(numbers[name]) for name in self._columns]

    def numbers(self, row: Tensor, columns: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, dict[str, Any]]:
        """The progress, (), float64, and the numbers of an update from a row and columns: () in place of a float."""
        progress, shared = row[0], row[1:].to(dtype).unbind()
        varying = {**dict(zip(self._shared, shared, strict=True)), **dict(zip(self._columns, columns, strict=True))}
        return progress, {**self._static, **varying}


class Model(NamedTuple):
    """What the step trains.

    Args:
        of_one: (parameters, buffers, inputs, *masks) -> the output of one run.
        parameters: names.
        buffers: names.
        losses: of all runs.
        update: (state, gradients, numbers), in place.
        sums: what is added to the sums of an epoch.
    """

    of_one: Callable[..., Any]
    parameters: Sequence[str]
    buffers: Sequence[str]
    losses: StackedLosses
    update: Callable[..., None]
    sums: Sums


class WholeStep:
    """The traced step.

    Args:
        model: what it trains.
        state: all that it changes in place: a tree of (K, ...) tensors with `parameters`, `buffers` and `totals`.
        batch: an example.
        numbers: of an update, likewise.
        decompositions: of operations into simpler ones.

    Raises:
        UnknownOperationError: an operation has no form with the runs last.
    """

    def __init__(
        self, model: Model, state: Mapping[str, Any], batch: Batch, numbers: Numbers, decompositions: Mapping[Any, Any]
    ) -> None:
        self._model, self._shared, self._decompositions = model, batch.shared, decompositions
        self.runs, self._dtype = len(state["totals"]), state["parameters"][0].dtype
        self._names: list[tuple[str, ...]] = []
        self._kind: type = Tensor
        self._trace_parts(state, batch)
        state_tensors, self._state_spec = tree_flatten(state)
        self._slots = Slots(numbers)
        self._state_tensors = [each.detach() for each in state_tensors]
        self.module = self._trace(batch, numbers)

    def arguments(self, batch: Batch, progress: float, numbers: Numbers) -> list[Tensor]:
        """The arguments of the graph at a step."""
        row, columns = self._slots.row(progress, numbers), self._slots.columns(numbers)
        return [row, *columns, *self._state_tensors, *_tensors_of(batch), *self._prepared_tensors]

    def logged(self, results: Sequence[Tensor]) -> tuple[Tensor, Logged]:
        """Losses, and what may be logged of a step, from what the graph gives."""
        losses, norm, *values = results
        terms = list[Any]()
        for each, names in zip(self._model.losses.kinds, self._names, strict=True):
            mine, values = values[: len(names)], values[len(names) :]
            terms.append(((each.first, each.last), dict(zip(names, mine, strict=True))))
        return losses, Logged(norm, terms)

    def _trace_parts(self, state: Mapping[str, Any], batch: Batch) -> None:
        """Trace the model, its gradient and each kind of loss for one run."""
        parameters = [each.requires_grad_() for each in _first_of(state["parameters"])]
        given = [*parameters, *_first_of(state["buffers"]), self._of_first(batch.inputs), *_first_of(batch.masks)]
        self._forward = OfOneRun(self._forward_of_one, given, self._decompositions)
        parts = [part.detach().requires_grad_() for part in self._outputs(given)[0]]
        self._backward = OfOneRun(
            lambda *args: self._backward_of_one(args[: len(given)], args[len(given) :]),
            [*given, *map(torch.ones_like, parts)],
            self._decompositions,
        )
        self._prepared = [traced.prepare(self.runs, []) for traced in (self._forward, self._backward)]
        self._losses = [self._traced_loss(each, parts, batch) for each in self._model.losses.kinds]
        leaves = [value for prepared in self._prepared for value in prepared.values()]
        self._prepared_tensors = [_tensor(value) for value in leaves if isinstance(value, Runs | Tensor)]

    def _traced_loss(self, each: Any, parts: Sequence[Tensor], batch: Batch) -> OfOneRun:
        """Trace one kind of loss; what follows from its numbers alone is computed now."""
        seen = labels(self._of_first(batch.target), self._of_first(batch.weight))
        progress = torch.zeros((), dtype=torch.float64, device=parts[0].device)
        examples = [*parts, progress, *seen, *(number[0] for number in each.numbers.values())]
        traced = OfOneRun(self._loss_of_one(each, len(parts)), examples, self._decompositions, len(each.numbers))
        fixed = [_last(number) for number in each.numbers.values()]
        self._prepared.append(traced.prepare(each.last - each.first, fixed))
        return traced

    def _of_first(self, tensor: Tensor | None) -> Any:
        return tensor if tensor is None or self._shared else tensor[0]

    def _outputs(self, given: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The parts of one run's output, and its buffers after it."""
        p, b = len(self._model.parameters), len(self._model.buffers)
        parameters = dict(zip(self._model.parameters, given[:p], strict=True))
        buffers = {name: each.clone() for name, each in zip(self._model.buffers, given[p : p + b], strict=True)}
        output = self._model.of_one(parameters, buffers, *given[p + b :])
        self._kind = type(output)
        return ([output] if isinstance(output, Tensor) else list(output)), list(buffers.values())

    def _forward_of_one(self, *given: Tensor) -> list[Tensor]:
        parts, buffers = self._outputs(given)
        self._parts = len(parts)
        return [each.detach() for each in (*parts, *buffers)]

    def _backward_of_one(self, given: Sequence[Tensor], cotangents: Sequence[Tensor]) -> Sequence[Tensor]:
        return torch.autograd.grad(self._outputs(given)[0], given[: len(self._model.parameters)], cotangents)

    def _output(self, parts: Sequence[Tensor]) -> Any:
        return parts[0] if issubclass(self._kind, Tensor) else self._kind(*parts)

    def _loss_of_one(self, each: Any, count: int) -> Callable[..., list[Tensor]]:
        """The loss of one run, its gradient in the output, and its terms."""
        names = list(each.numbers)
        place = len(self._names)
        self._names.append(())

        def function(*given: Tensor) -> list[Tensor]:
            parts, progress, rest = given[:count], given[count], given[count + 1 :]
            given_labels, numbers = rest[: len(rest) - len(names)], rest[len(rest) - len(names) :]
            loss = each.loss.with_numbers(dict(zip(names, numbers, strict=True))).at(progress)
            value = reduced(loss, self._output(parts), *given_labels)
            gradients = torch.autograd.grad(value, parts, allow_unused=True, materialize_grads=True)
            terms = mean_terms(loss, self._output(parts), *given_labels)
            self._names[place] = tuple(terms)
            return [value.detach(), *gradients, *(term.detach() for term in terms.values())]

        return function

    def _trace(self, batch: Batch, numbers: Numbers) -> fx.GraphModule:
        """Trace the step of all runs."""
        given = self.arguments(batch, 0.0, numbers)
        columns, dtype = len(self._slots.columns(numbers)), self._dtype

        def step(*arguments: Tensor) -> Sequence[Tensor]:
            left = list(arguments)
            progress, now = self._slots.numbers(left.pop(0), [left.pop(0) for _ in range(columns)], dtype)
            state = tree_unflatten([left.pop(0) for _ in self._state_tensors], self._state_spec)
            fields = {name: [left.pop(0) for _ in values] for name, values in fields_of(batch).items()}
            seen = with_fields(batch, fields)
            return self._step(state, seen, progress, now, left)

        return graph_of(step, given, self._decompositions)

    def _step(
        self, state: Mapping[str, Any], batch: Batch, progress: Tensor, numbers: Numbers, prepared: list[Tensor]
    ) -> list[Tensor]:
        """One step of all runs."""
        given: list[Value] = [
            *(_last(each) for each in (*state["parameters"], *state["buffers"])),
            self._seen(batch.inputs),
            *map(_last, batch.masks),
        ]
        constants = [_renewed(values, prepared) for values in self._prepared]
        found = self._forward(self.runs, given, constants[0])
        parts, buffers = [_of_all(part, self.runs) for part in found[: self._parts]], found[self._parts :]
        seen = labels(batch.target, batch.weight)
        losses, gradients, terms = self._of_losses(parts, [self._seen(each) for each in seen], progress, constants[2:])
        cotangents = [Runs(torch.cat(each, -1)) for each in gradients]
        backward = self._backward(self.runs, [*given, *cotangents], constants[1])
        updates = [_of_all(each, self.runs).movedim(-1, 0) for each in backward]
        value = torch.cat(losses)
        state["totals"].add_(self._model.sums(value, self._output([part.movedim(-1, 0) for part in parts]), batch))
        norm = torch.stack([each.flatten(1).square().sum(1) for each in updates]).sum(0).sqrt()
        for mine, new in zip(state["buffers"], buffers, strict=True):
            mine.copy_(_of_all(new, self.runs).movedim(-1, 0))
        self._model.update(state, updates, numbers)
        return [value, norm, *terms]

    def _of_losses(
        self,
        parts: Sequence[Tensor],
        given: Sequence[Value],
        progress: Tensor,
        constants: Sequence[Mapping[fx.Node, Any]],
    ) -> tuple[list[Tensor], list[list[Tensor]], list[Tensor]]:
        """Losses of each kind, gradients of each part of the output, and all terms, in the kinds' order."""
        losses, gradients, terms = list[Tensor](), [list[Tensor]() for _ in parts], list[Tensor]()
        for each, traced, values in zip(self._model.losses.kinds, self._losses, constants, strict=True):
            mine, count = slice(each.first, each.last), each.last - each.first
            seen = [Runs(one.tensor[..., mine]) if isinstance(one, Runs) else one for one in given]
            found = traced(count, [*(Runs(part[..., mine]) for part in parts), progress, *seen], values)
            value, *rest = [_of_all(one, count) for one in found]
            losses.append(value)
            for column, gradient in zip(gradients, rest, strict=False):
                column.append(gradient)
            terms += rest[len(parts) :]
        return losses, gradients, terms

    def _seen(self, tensor: Tensor) -> Value:
        return tensor if self._shared else _last(tensor)


def _is_static(name: str, value: Any) -> bool:
    """Whether a number is not one, or leaves a part of the update out."""
    if isinstance(value, Tensor):
        return False
    return not isinstance(value, float) or (name in ZERO_MEANS_NONE and value == 0)


def fields_of(batch: Batch) -> dict[str, list[Tensor]]:
    """The tensors of a batch."""
    fields = {name: getattr(batch, name) for name in ("inputs", "target", "weight", "true")}
    found = {name: [value] for name, value in fields.items() if value is not None}
    return found | ({"masks": list(batch.masks)} if batch.masks else {})


def with_fields(batch: Batch, fields: Mapping[str, Sequence[Tensor]]) -> Batch:
    """A batch with other tensors in place of its own."""
    found = {name: tuple(values) if name == "masks" else values[0] for name, values in fields.items()}
    return batch._replace(**found)  # pyright: ignore[reportArgumentType]


def _tensors_of(batch: Batch) -> list[Tensor]:
    return [tensor for values in fields_of(batch).values() for tensor in values]


def _first_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Those of the first run, copies."""
    return [tensor[0].detach().clone() for tensor in tensors]


def _last(tensor: Tensor) -> Runs:
    return Runs(tensor.movedim(0, -1))


def _tensor(value: Value) -> Tensor:
    return value.tensor if isinstance(value, Runs) else value


def _of_all(value: Value, runs: int) -> Tensor:
    """With the dimension of the runs last, of size K."""
    return value.tensor if isinstance(value, Runs) else value[..., None].expand(*value.shape, runs)


def _renewed(values: Mapping[fx.Node, Any], tensors: list[Tensor]) -> dict[fx.Node, Any]:
    """The next of some tensors in place of each value that is one."""
    found: dict[fx.Node, Any] = {}
    for node, value in values.items():
        if isinstance(value, Runs):
            found[node] = Runs(tensors.pop(0))
        else:
            found[node] = tensors.pop(0) if isinstance(value, Tensor) else value
    return found
