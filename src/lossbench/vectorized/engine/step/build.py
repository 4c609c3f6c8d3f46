"""The step of a stack, compiled or captured: built, compared with the eager one on live data, and then used."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from lossbench.errors import one_line
from lossbench.vectorized.engine.batches import Batch
from lossbench.vectorized.engine.optimizers import Numbers
from lossbench.vectorized.engine.step.choice import COMPILED, FUSED, GRAPH
from lossbench.vectorized.engine.step.compiled import CannotCompileError, CompiledStep, FusedStep
from lossbench.vectorized.engine.step.graphed import GraphedStep
from lossbench.vectorized.engine.step.program import Stepped
from lossbench.vectorized.engine.step.whole_step import Model

CLOSE = {torch.float32: 1e-3, torch.float64: 1e-8}
"""How far the numbers of one step may be apart, in units of the largest of their group."""
APART = 0.01
"""Share of numbers that may be further apart."""
APART_MOVED = 0.5
"""The same of parameters: Adam divides a gradient that is nothing but rounding, as before BatchNorm, by itself."""


class Step(Protocol):
    """A step that is built for one stack."""

    def step(self, batch: Batch, progress: float, numbers: Numbers) -> Stepped: ...  # noqa: D102


class Stacked(Protocol):
    """What is asked of a stack."""

    step: int
    total_steps: int
    optimizer: Any

    def changing(self) -> dict[str, Any]: ...  # noqa: D102
    def replace(self, tensors: Mapping[str, Any]) -> None: ...  # noqa: D102
    def model(self) -> Model: ...  # noqa: D102
    def batch_of(self, step: int) -> Batch: ...  # noqa: D102
    def numbers(self) -> Numbers: ...  # noqa: D102
    def eager_step(self, batch: Batch, progress: float, numbers: Numbers) -> Stepped: ...  # noqa: D102
    def compute(self, state: Any, batch: Batch, progress: Tensor, numbers: Numbers) -> Any: ...  # noqa: D102
    def logged(self, output: Any, gradients: Sequence[Tensor], batch: Batch, progress: float) -> Any: ...  # noqa: D102


KINDS = {COMPILED: CompiledStep, FUSED: FusedStep, GRAPH: GraphedStep}


def build(stack: Stacked, engine: str) -> tuple[Step | None, str]:
    """Build the step of a stack; compiled, its tensors have the runs innermost in memory.

    Args:
        stack: before a step.
        engine: of `choice`, but not eager.

    Returns:
        The step, and how long that took; None and the reason where it cannot be built, or where its numbers are not
        those of the eager step.
    """
    began, count = time.perf_counter(), stack.optimizer.step_count
    given = (stack.batch_of(stack.step), stack.step / stack.total_steps, stack.numbers())
    stack.optimizer.step_count = count  # the step is made later
    state = stack.changing()
    before, mine = tree_map(_copy, state), tree_map(_runs_last if engine == COMPILED else _copy, state)
    try:
        step = KINDS[engine](stack, mine, *given)
        apart = _compared(stack, step, state, mine, before, given)
    except CannotCompileError as error:
        return None, str(error)
    except Exception as error:  # of whatever torch's compiler meets: the eager step needs none of it
        _fill(state, before)
        return None, f"it cannot be built ({type(error).__name__}: {one_line(error)[:200]})"
    if apart > APART:
        return None, f"{engine} and eager steps differ in {apart:.1%} of their numbers"
    stack.replace(mine)
    return step, f"built in {time.perf_counter() - began:.1f} s"


def _compared(
    stack: Stacked,
    step: Step,
    state: Mapping[str, Any],
    mine: Mapping[str, Any],
    before: Mapping[str, Any],
    given: tuple[Batch, float, Numbers],
) -> float:
    """How far a built step on `mine` and the eager one on `state` are apart; both are as before afterwards."""
    _fill(mine, before)
    losses, expected = step.step(*given).losses.clone(), stack.eager_step(*given).losses
    close = CLOSE[losses.dtype]
    groups = [([losses], [expected]), *zip(_groups(mine), _groups(state), strict=True)]
    apart = max(_apart(*each, close) for each in groups)
    moved = _apart(mine["parameters"], state["parameters"], close)
    apart = max(apart, moved if moved > APART_MOVED else 0.0)
    _fill(state, before)
    _fill(mine, before)
    return apart


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _runs_last(tensor: Tensor) -> Tensor:
    """A copy of (K, ...) with the runs innermost in memory."""
    return tensor.detach().movedim(0, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 0)


@torch.no_grad()
def _fill(tensors: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    for mine, value in zip(tree_flatten(tensors)[0], tree_flatten(source)[0], strict=True):
        mine.copy_(value)


def _groups(state: Mapping[str, Any]) -> list[list[Tensor]]:
    """What is compared besides parameters, those together that are of one size."""
    return [*([each] for each in state["buffers"]), *state["moments"].values(), [state["totals"]]]


@torch.no_grad()
def _apart(found: Sequence[Tensor], expected: Sequence[Tensor], close: float) -> float:
    """The share of the numbers of a group that are not close, in units of the largest of them."""
    mine, other = (torch.cat([each.detach().double().flatten() for each in group]) for group in (found, expected))
    finite = other[other.isfinite()].abs()
    largest = float(finite.max()) if finite.numel() else 1.0
    same = torch.isclose(mine, other, rtol=0, atol=close * largest, equal_nan=True)
    return 1 - float(same.double().mean()) if same.numel() else 0.0
