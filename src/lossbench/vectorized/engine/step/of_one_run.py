"""A function of one run's tensors, traced and executed for all runs with their dimension last."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from lossbench.vectorized.engine.step.runs_last import Runs, RunsLast

Value = Runs | Tensor


class OfOneRun:
    """A traced function.

    Args:
        function: of tensors; it may take gradients inside, and changes nothing in place that it is given.
        examples: its arguments, of one run.
        fixed: how many of the last ones stay the same in all steps, e.g. the numbers of a loss.
        decompositions: of operations into simpler ones.
    """

    def __init__(
        self,
        function: Callable[..., Sequence[Tensor]],
        examples: Sequence[Tensor],
        decompositions: Mapping[Any, Any],
        fixed: int = 0,
    ) -> None:
        first = make_fx(function)(*examples)
        self._constants = _lift(first)
        given = [each.detach().clone() for each in (*examples, *self._constants)]
        with torch.no_grad():
            # BatchNorm's simpler operations change its buffers in place, so that this is undone last.
            simple = make_fx(first, decomposition_table=dict(decompositions), tracing_mode="fake")(*given)
            functional = torch.func.functionalize(simple, remove="mutations")
            self.module = make_fx(functional, tracing_mode="fake")(*given)
        arguments = [node for node in self.module.graph.nodes if node.op == "placeholder"]
        self._fixed = arguments[len(examples) - fixed :]

    def prepare(self, runs: int, fixed: Sequence[Value]) -> dict[fx.Node, Any]:
        """Compute once what follows from the fixed arguments alone: a sine of each run's number costs more than a loss.

        Returns:
            The value of each such operation that others use; None of those that no other uses.
        """
        engine = RunsLast(self.module, runs)
        engine.env = dict(zip(self._fixed, (*fixed, *self._constants), strict=True))
        known, free = set(self._fixed), set[fx.Node]()
        for node in self.module.graph.nodes:
            sources = set(node.all_input_nodes)
            if node.op == "call_function" and sources <= known | free:
                engine.env[node] = engine.run_node(node)
                (known if sources & known else free).add(node)
        return {node: engine.env[node] if set(node.users) - known else None for node in known}

    def __call__(self, runs: int, given: Sequence[Value], prepared: Mapping[fx.Node, Any]) -> list[Value]:
        """Execute it for K runs.

        Args:
            runs: K.
            given: the arguments that are not fixed.
            prepared: what `prepare` gives, or other tensors in place of its own.
        """
        return list(RunsLast(self.module, runs).run(*given, initial_env=dict(prepared)))


def _lift(module: fx.GraphModule) -> list[Tensor]:
    """Turn the constants of a graph into arguments after its own; give them."""
    graph, constants = module.graph, list[Tensor]()
    place = next(node for node in graph.nodes if node.op != "placeholder")
    for node in [node for node in graph.nodes if node.op == "get_attr"]:
        constants.append(getattr(module, str(node.target)).detach())
        with graph.inserting_before(place):
            argument = graph.placeholder(f"constant_{len(constants)}")
        node.replace_all_uses_with(argument)
        place = place if place is not node else node.next
        graph.erase_node(node)
    module.recompile()
    return constants
