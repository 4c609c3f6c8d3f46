"""A traced network as Python source: plain torch operations on tensors by name."""

import operator
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from lossbench.errors import UserError
from lossbench.export.graph import quiet

HEADER = '''"""The network as plain torch operations on its weights; written by lossbench export, not to be edited."""

import operator
from math import inf, nan

import torch
from torch import device


def network(inputs, w):
    """Map a batch to class probabilities (n, C); w holds the tensors of model.safetensors by name."""
'''
CALL = "call_function"
CHECKS = (torch.ops.aten._assert_tensor_metadata.default,)


class Writer:
    """Write the nodes of a graph one after another, as lines of Python.

    Args:
        module: what the graph belongs to.
        about: the run, for messages.
    """

    def __init__(self, module: GraphModule, about: str) -> None:
        self.module, self.about = module, about
        self.nodes = [node for node in module.graph.nodes if node.target not in CHECKS]
        self.names: dict[Node, str] = {}
        self.tensors: dict[str, Tensor] = {}
        self._last_use = {given: node for node in self.nodes for given in node.all_input_nodes}

    def lines(self, node: Node) -> list[str]:
        """Write a node: the operation, and what is not used any more afterwards; inputs and tensors get a name only."""
        if node.op == "placeholder":
            self.names[node] = "inputs"
            return []
        if node.op == "get_attr":
            name = str(node.target).removeprefix("model.")  # Probabilities.model
            self.tensors[name] = operator.attrgetter(str(node.target))(self.module).detach()
            self.names[node] = f'w["{name}"]'
            return []
        if node.op == "output":
            return [f"return {', '.join(self.names[given] for given in node.all_input_nodes)}"]
        self.names[node] = node.name
        operation = f"{node.name} = {self._function(node)}({', '.join(self._given(node))})"
        unused = [given.name for given in node.all_input_nodes if self._is_done(given, node)]
        return [operation, *([f"del {', '.join(unused)}"] if unused else [])]

    def _is_done(self, given: Node, node: Node) -> bool:
        return given.op == CALL and self._last_use[given] is node

    def _given(self, node: Node) -> list[str]:
        keywords = [f"{key}={self._written(value)}" for key, value in node.kwargs.items()]
        return [*map(self._written, node.args), *keywords]

    def _written(self, value: Any) -> str:
        if isinstance(value, Node):
            return self.names[value]
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._written, value))}]"
        return repr(value)

    def _function(self, node: Node) -> str:
        target: Any = node.target
        if isinstance(target, OpOverload) and target.namespace == "aten":
            return f"torch.ops.{target}"
        for name, module in (("torch", torch), ("operator", operator)):
            if getattr(module, getattr(target, "__name__", ""), None) is target:
                return f"{name}.{target.__name__}"
        raise UserError(
            f"{self.about} cannot be exported as safetensors: its network needs {target}, which is no plain operation "
            "of torch; use --format torch or onnx"
        )


def as_source(program: ExportedProgram, about: str) -> tuple[str, dict[str, Tensor]]:
    """Write a traced network as a function `network(inputs, w)`.

    Args:
        program: with one input and one output.
        about: the run, for messages.

    Returns:
        The source, and the tensors that it uses by name.

    Raises:
        UserError: it has an operation that is none of torch's.
    """
    with quiet():
        module = program.run_decompositions({}).module(check_guards=False)  # parts under autocast become plain ones
    writer = Writer(module, about)
    lines = [line for node in writer.nodes for line in writer.lines(node)]
    return HEADER + "".join(f"    {line}\n" for line in lines), writer.tensors
