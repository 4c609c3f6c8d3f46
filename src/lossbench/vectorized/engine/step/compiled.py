"""The graph of a step compiled by torch's inductor; the results are kept on disk."""

import logging
import os
import shutil
import stat
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from lossbench.hardware import named_compiler
from lossbench.vectorized.engine.batches import Batch
from lossbench.vectorized.engine.optimizers import Numbers
from lossbench.vectorized.engine.step.program import Stepped
from lossbench.vectorized.engine.step.whole_step import Slots, WholeStep, graph_of

OPTIONS = {
    "compile_threads": 1,  # one file is compiled: no pool of processes
    "fx_graph_cache": True,
    "fx_graph_remote_cache": False,
    "cpp.vec_isa_ok": True,  # what the processor says; else each set of instructions is tried out for seconds
}
"""Settings of inductor."""


class CannotCompileError(RuntimeError):
    """Nothing can be compiled here; the message is the reason."""


class CompiledStep:
    """Trace and compile the step of a stack.

    Args:
        stack: of which the functions are taken.
        state: that the step changes, as `Stack.changing` gives it, with the runs innermost in memory.
        batch: an example.
        progress: is not looked at.
        numbers: of an update.

    Raises:
        CannotCompileError: as `compiled`.
        UnknownOperationError: an operation has no form with the runs last.
    """

    def __init__(self, stack: Any, state: Mapping[str, Any], batch: Batch, progress: float, numbers: Numbers) -> None:
        from torch._inductor.decomposition import select_decomp_table  # importing torch's inductor takes a second

        self._whole = WholeStep(stack.model(), state, batch, numbers, select_decomp_table())
        self._function = compiled(self._whole.module)

    def step(self, batch: Batch, progress: float, numbers: Numbers) -> Stepped:
        """Make a step; the state is changed in place."""
        losses, logged = self._whole.logged(self._function(self._whole.arguments(batch, progress, numbers)))
        return Stepped(losses, None, batch, lambda: logged)


class FusedStep:
    """Compile the update of a stack: large parameters then go through memory once, not once for each operation.

    Args:
        stack: of which the functions are taken.
        state: that the step changes, as `Stack.changing` gives it.
        batch: an example.
        progress: steps done / steps of the whole training.
        numbers: of an update.

    Raises:
        CannotCompileError: as `compiled`.
    """

    def __init__(self, stack: Any, state: Mapping[str, Any], batch: Batch, progress: float, numbers: Numbers) -> None:
        from torch._inductor.decomposition import select_decomp_table

        self._stack, self._state, self._slots = stack, state, Slots(numbers)
        moved = {name: value for name, value in state.items() if name != "totals"}
        self._tensors, spec = tree_flatten(moved)
        gradients = stack.gradients(state, batch, self._number(progress))[2]
        columns, dtype = len(self._slots.columns(numbers)), self._tensors[0].dtype

        def update(*arguments: Tensor) -> list[Tensor]:
            row, *left = arguments
            now = self._slots.numbers(row, left[:columns], dtype)[1]
            last = columns + len(self._tensors)
            stack.model().update({**state, **tree_unflatten(left[columns:last], spec)}, left[last:], now)
            return []

        given = self._arguments(progress, numbers, gradients)
        self._function = compiled(graph_of(update, given, select_decomp_table()))

    def _arguments(self, progress: float, numbers: Numbers, gradients: Sequence[Tensor]) -> list[Tensor]:
        row, columns = self._slots.row(progress, numbers), self._slots.columns(numbers)
        return [row, *columns, *self._tensors, *gradients]

    def _number(self, progress: float) -> Tensor:
        return torch.full((), progress, dtype=torch.float64)

    def step(self, batch: Batch, progress: float, numbers: Numbers) -> Stepped:
        """Make a step; the state is changed in place."""
        losses, output, gradients = self._stack.gradients(self._state, batch, self._number(progress))
        self._function(self._arguments(progress, numbers, gradients))
        self._stack.add(self._state, losses, output, batch)
        return Stepped(losses, output, batch, lambda: self._stack.logged(output, gradients, batch, progress))


def compiled(module: fx.GraphModule) -> Callable[[list[Tensor]], Sequence[Tensor]]:
    """Compile a graph of functional operations, or take it from the cache.

    Args:
        module: as `WholeStep.module`.

    Returns:
        The function of a list of its arguments, which it empties.

    Raises:
        CannotCompileError: there is no compiler, or its cache is not this user's alone.
    """
    if shutil.which(named_compiler()) is None:
        raise CannotCompileError(f"there is no C++ compiler {named_compiler()}; CXX names another")
    from torch._functorch.compile_utils import fx_graph_cse
    from torch._guards import TracingContext, tracing
    from torch._inductor import config
    from torch._inductor.compile_fx import compile_fx_inner

    module.graph = fx_graph_cse(module.graph)  # pyright: ignore[reportAttributeAccessIssue]
    module.graph.eliminate_dead_code()
    module.recompile()
    examples = [node.meta["val"] for node in module.graph.nodes if node.op == "placeholder"]
    context = TracingContext(examples[0].fake_mode)
    with torch.no_grad(), _cache_of_this_user(), _no_advice(), tracing(context), config.patch(OPTIONS):
        found: Any = compile_fx_inner(module, examples, is_inference=True)
    return getattr(found, "current_callable", None) or found  # without what the first call alone needs


def cache_folder() -> Path:
    """The folder of compiled steps: what lies there is executed, so that nobody else may write it.

    Raises:
        CannotCompileError: it cannot be made, or others may write it.
    """
    root = Path(os.path.expanduser(os.environ.get("LOSSBENCH_CACHE") or "~/.cache/lossbench"))
    folder = root / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise CannotCompileError(f"{folder} cannot be written ({error.strerror})") from error
    of_this_user = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not (stat.S_ISDIR(found.st_mode) and of_this_user and not found.st_mode & 0o022):
        raise CannotCompileError(f"{folder} may be written by others (chmod 700 {folder})")
    return folder


@contextmanager
def _cache_of_this_user() -> Generator[None]:
    """Keep what is compiled in this user's folder, or where TORCHINDUCTOR_CACHE_DIR says."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    if before in (None, default_cache_dir()):  # torch writes its own choice there, a folder below /tmp
        os.environ[name] = str(cache_folder())
    try:
        yield
    finally:
        os.environ.pop(name, None)
        os.environ.update({} if before is None else {name: before})


@contextmanager
def _no_advice() -> Generator[None]:
    """Keep advice about CUDA off the screen while something is compiled for the CPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
