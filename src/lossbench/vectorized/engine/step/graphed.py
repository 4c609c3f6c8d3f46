"""The step of a stack as a CUDA graph: a hundred small kernels are started by one call."""

from collections.abc import Mapping
from typing import Any

import torch

from lossbench.vectorized.engine.batches import Batch
from lossbench.vectorized.engine.optimizers import Numbers
from lossbench.vectorized.engine.step.program import Stepped
from lossbench.vectorized.engine.step.whole_step import Slots, fields_of, with_fields

WARM_UP = 3  # steps before the capture, as torch.cuda.graph asks: libraries set themselves up


class GraphedStep:
    """Capture the eager step of a stack, and replay it.

    Args:
        stack: whose functions are captured.
        state: that the graph changes, as `Stack.changing` gives it.
        batch: an example; its tensors are copied into those of the graph at each step.
        progress: steps done / steps of the whole training.
        numbers: of an update.
    """

    def __init__(self, stack: Any, state: Mapping[str, Any], batch: Batch, progress: float, numbers: Numbers) -> None:
        self._stack, self._slots = stack, Slots(numbers)
        device = state["totals"].device
        self._row = self._slots.row(progress, numbers).to(device)
        self._columns = [each.clone() for each in self._slots.columns(numbers)]
        self._fields = {name: [each.clone() for each in values] for name, values in fields_of(batch).items()}
        self._batch, self._seen = with_fields(batch, self._fields), batch
        self._graph = torch.cuda.CUDAGraph()
        self._capture(state)

    def _capture(self, state: Mapping[str, Any]) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._compute(state)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(self._graph):
            self._losses, self._output, self._gradients = self._compute(state)

    def _compute(self, state: Mapping[str, Any]) -> Any:
        progress, numbers = self._slots.numbers(self._row, self._columns, state["parameters"][0].dtype)
        return self._stack.compute(state, self._batch, progress, numbers)

    @torch.no_grad()
    def step(self, batch: Batch, progress: float, numbers: Numbers) -> Stepped:
        """Make a step; the state is changed in place, and what is logged must be taken before the next one."""
        self._row.copy_(self._slots.row(progress, numbers))
        for mine, value in zip(self._columns, self._slots.columns(numbers), strict=True):
            mine.copy_(value)
        if batch is not self._seen:
            self._take(batch)
        self._graph.replay()
        output, gradients = self._output, self._gradients
        return Stepped(
            self._losses.clone(), output, batch, lambda: self._stack.logged(output, gradients, batch, progress)
        )

    def _take(self, batch: Batch) -> None:
        """Copy a batch to where the graph reads it."""
        for name, values in fields_of(batch).items():
            for mine, value in zip(self._fields[name], values, strict=True):
                mine.copy_(value)
        self._seen = batch
