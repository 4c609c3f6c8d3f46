"""K runs trained as one tensor program."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from lossbench.vectorized.engine.average import averaged, decay_at, decays, started
from lossbench.vectorized.engine.batches import Batch, Batches
from lossbench.vectorized.engine.clipping import clipped, max_norms
from lossbench.vectorized.engine.dropout import Dropout, with_masks
from lossbench.vectorized.engine.layers import Layers
from lossbench.vectorized.engine.losses import StackedLosses, kind
from lossbench.vectorized.engine.optimizers import OPTIMIZERS, Numbers
from lossbench.vectorized.engine.step.build import Step, build
from lossbench.vectorized.engine.step.choice import EAGER, Size, choice
from lossbench.vectorized.engine.step.program import Logged, Program, Stepped, Sums
from lossbench.vectorized.engine.step.trace import trace
from lossbench.vectorized.engine.step.whole_step import Model


@dataclass(frozen=True)
class Member:
    """One run of a stack.

    Args:
        model: with its initial weights; only these are used.
        loss: what it is trained with.
        seed: decides the order of its examples.
        optimizer: its settings, as torch's optimiser takes them.
        max_norm: of its gradient, which is clipped; None clips nothing.
        decay: of the moving average of its weights, which is evaluated in their place; None averages nothing.
    """

    model: nn.Module
    loss: nn.Module
    seed: int
    optimizer: Mapping[str, Any]
    max_norm: float | None = None
    decay: float | None = None


class Stack:
    """Train K runs that share model, data, optimiser and schedule, and differ in losses, numbers and seeds.

    Args:
        members: the runs, those of one kind of loss side by side.
        optimizer: what the configuration calls it, e.g. torch.optim.Adam.
        batches: what each step sees.
        schedule: gives a factor on the learning rate, and perhaps a momentum, for each step.
        total_steps: of every run.
        steps_per_epoch: of every run.
        sums: what each step adds to `totals`.
        layers: groups of them that the schedule treats differently; None is one group.

    Raises:
        ValueError: the optimiser is not known, or a setting of it cannot differ between runs.
    """

    def __init__(
        self,
        members: Sequence[Member],
        optimizer: str,
        batches: Batches,
        schedule: Any,
        total_steps: int,
        steps_per_epoch: int,
        sums: Sums = lambda losses, output, batch: losses[:, None],
        layers: Layers | None = None,
    ) -> None:
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"{optimizer} has no stacked form; known: {', '.join(OPTIMIZERS)}")
        models = [member.model for member in members]
        parameters, buffers = stack_module_state(models)
        self.parameters = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
        self.buffers = {name: tensor.clone() for name, tensor in buffers.items()}
        self.batches, self.schedule, self.layers = batches, schedule, layers
        self.skeleton = copy.deepcopy(models[0]).train()
        self.dropout = Dropout(self.skeleton, batches.of_one(0), [member.seed for member in members])
        self.skeleton = self.skeleton.to("meta")
        self.device = next(iter(self.parameters.values())).device
        self.losses = StackedLosses([member.loss for member in members], self.device)
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.step, self._count, self._sums = 0, len(members), sums
        self._programs: dict[Any, Program] = {}
        self.totals = self._lay_out()
        """What `sums` gave since they were last set to zero: (K, columns), float64."""
        self.optimizer = OPTIMIZERS[optimizer](self.parameters.values(), [member.optimizer for member in members])
        self.max_norm = max_norms([member.max_norm for member in members], self.device)
        self.decay = decays([member.decay for member in members], self.device)
        self.average = started(self.state, self.decay)
        """The moving averages of parameters and buffers, in place of which they are evaluated: name -> (K, ...)."""
        self.engine: str | None = None
        """How steps are computed: one of `choice`; None is chosen before the next step."""
        self.why = ""
        """The reason."""
        self._built: Step | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def state(self) -> dict[str, Tensor]:
        """Parameters and buffers of all runs: name -> (K, ...)."""
        return {**self.parameters, **self.buffers}

    @property
    def evaluated(self) -> dict[str, Tensor]:
        """What is validated, tested and kept of all runs: the averages where there are some, otherwise `state`."""
        return self.average or self.state

    @property
    def progress(self) -> Tensor:
        """Steps done / steps of the whole training: (), on the device."""
        return torch.full((), self.step / self.total_steps, dtype=torch.float64, device=self.device)

    def train_step(self) -> Stepped:
        """Make one step of every run; give what was computed before the update."""
        if self.engine is None or (self.engine != EAGER and self._built is None):
            self._choose()
        batch = self.batch_of(self.step)
        step = self.eager_step if self._built is None else self._built.step
        seen = step(batch, self.step / self.total_steps, self.numbers())
        self.step += 1
        return seen

    def _choose(self) -> None:
        """Compile the step where that repays, or where it was compiled before."""
        if self.layers is not None:
            self.engine, self.why = EAGER, "some layers are frozen at first"
        elif self.engine is None:
            self.engine, self.why = choice(self._size())
        if self.engine != EAGER:
            self._built, why = build(self, self.engine)
            self.engine, self.why = (EAGER, why) if self._built is None else (self.engine, self.why or why)

    def _size(self) -> Size:
        """What is left to compute."""
        parameters = sum(each[0].numel() for each in self.parameters.values())
        return Size(self._count, parameters, self.batches.batch_size, self.total_steps - self.step, self.device.type)

    def eager_step(self, batch: Batch, progress: float, numbers: Numbers) -> Stepped:
        """Make a step operation by operation."""
        number = torch.full((), progress, dtype=torch.float64, device=self.device)
        losses, output, gradients = self.compute(self.changing(), batch, number, numbers)
        return Stepped(losses, output, batch, lambda: self.logged(output, gradients, batch, progress))

    def compute(
        self, state: Mapping[str, Any], batch: Batch, progress: Tensor, numbers: Numbers
    ) -> tuple[Tensor, Any, Sequence[Tensor]]:
        """Change a state by one step; a function of its arguments alone.

        Args:
            state: as `changing` gives it.
            batch: that the runs see.
            progress: steps done / steps of the whole training, ().
            numbers: of the update.

        Returns:
            Losses, output and gradients, before the update.
        """
        losses, output, gradients = self.gradients(state, batch, progress)
        if self.layers is not None:
            gradients = self.layers.trained(gradients, numbers)
        self._update(state, gradients, numbers)
        self.add(state, losses, output, batch)
        return losses, output, gradients

    def gradients(
        self, state: Mapping[str, Any], batch: Batch, progress: Tensor
    ) -> tuple[Tensor, Any, Sequence[Tensor]]:
        """Losses, output and gradients; of a state only what a forward pass moves is changed."""
        program = self._program(batch)
        losses, *rest = program.run(*state["parameters"], *state["buffers"], progress, *_tensors(batch))
        return losses, program.output(rest[len(self.parameters) :]), rest[: len(self.parameters)]

    def add(self, state: Mapping[str, Any], losses: Tensor, output: Any, batch: Batch) -> None:
        """Add what a step gives to the sums of an epoch."""
        state["totals"].add_(self._sums(losses, output, batch))

    def logged(self, output: Any, gradients: Sequence[Tensor], batch: Batch, progress: float) -> Logged:
        """What is logged of a step besides its losses."""
        norm = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
        given = (output, batch.target, batch.weight)
        return Logged(norm, self.losses.terms(*given, shared=batch.shared, progress=progress))

    def changing(self) -> dict[str, Any]:
        """All that a step changes in place: a tree of (K, ...) tensors."""
        return {
            "parameters": self.optimizer.parameters,
            "buffers": list(self.buffers.values()),
            "moments": self.optimizer.state,
            "average": list(self.average.values()),
            "totals": self.totals,
        }

    def replace(self, tensors: Mapping[str, Any]) -> None:
        """Go on with other tensors in place of `changing`: the same numbers in another layout."""
        parameters = [each.requires_grad_() for each in tensors["parameters"]]
        self.parameters = dict(zip(self.parameters, parameters, strict=True))
        self.buffers = dict(zip(self.buffers, tensors["buffers"], strict=True))
        self.optimizer.parameters, self.optimizer.state = parameters, tensors["moments"]
        self.average = dict(zip(self.average, tensors["average"], strict=True))
        self.totals = tensors["totals"]
        self._programs.clear()

    def model(self) -> Model:
        """The functions that a step is made of."""
        self.skeleton.train()
        names = (list(self.parameters), list(self.buffers))
        return Model(self._of_one, *names, self.losses, self._update, self._sums)

    def numbers(self) -> Numbers:
        """What differs between two updates: floats, or (K,) tensors."""
        place = (self.step, self.total_steps, self.steps_per_epoch)
        if self.layers is None:
            numbers = {**self.optimizer.numbers(self.schedule.factor(*place), self.schedule.momentum(*place))}
        else:
            numbers = self.layers.numbers(self.optimizer, self.schedule, place)
        if self.max_norm is not None:
            numbers["max_norm"] = self.max_norm
        if self.decay is not None:
            numbers["decay"] = decay_at(self.step, self.decay)
        return numbers

    def _update(self, state: Mapping[str, Any], gradients: Sequence[Tensor], numbers: Numbers) -> None:
        """From gradients to the next state, in place: a function of its arguments alone, so that it may be traced.

        Args:
            state: as `changing` gives it.
            gradients: (K, ...) of each parameter.
            numbers: of this step.
        """
        if "max_norm" in numbers:
            gradients = clipped(gradients, numbers["max_norm"])
        update = self.optimizer.update if self.layers is None else partial(self.layers.update, self.optimizer)
        update(state["parameters"], gradients, state["moments"], numbers)
        if "decay" in numbers:
            with torch.no_grad():
                now = averaged(state["average"], [*state["parameters"], *state["buffers"]], numbers["decay"])
                for average, moved in zip(state["average"], now, strict=True):
                    average.copy_(moved)

    @torch.no_grad()
    def evaluate(self, inputs: Tensor, weights: Mapping[str, Tensor] | None = None, *, shared: bool = True) -> Any:
        """Give the outputs of every run on some examples: (K, n, C), or a tuple of such.

        Args:
            inputs: (n, ...), or (K, n, ...), each run's own.
            weights: parameters and buffers, stacked, of all runs or of some; None are those of now, averaged.
            shared: whether all runs see the same.
        """
        self.skeleton.eval()
        given = self.evaluated if weights is None else weights
        parameters, buffers = ({name: given[name] for name in names} for names in (self.parameters, self.buffers))
        return self._forward(parameters, buffers, inputs, shared)

    def weights(self, k: int) -> dict[str, Tensor]:
        """What is evaluated of one run, a copy."""
        return one_of(self.evaluated, k)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on: plain containers and tensors."""
        return {
            "step": self.step,
            "parameters": {name: tensor.detach() for name, tensor in self.parameters.items()},
            "buffers": self.buffers,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "engine": self.engine,
        }

    def load_state_dict(self, state: Mapping[str, Any], index: Tensor) -> None:
        """Go on from a state, of which `index` chooses this stack's runs."""
        self.step = state["step"]
        self.engine = state.get("engine", EAGER)  # until there was a choice, all were
        with torch.no_grad():
            for name, tensor in self.parameters.items():
                tensor.copy_(state["parameters"][name][index])
            for name, tensor in self.buffers.items():
                tensor.copy_(state["buffers"][name][index])
            for name, tensor in self.average.items():
                tensor.copy_(state["average"][name][index])
        self.optimizer.load_state_dict(state["optimizer"], index)

    def batch_of(self, step: int) -> Batch:
        """What the runs see in a step, and the masks of their dropout."""
        return self.batches.at(step)._replace(masks=self.dropout.at(step))

    def _program(self, batch: Batch) -> Program:
        """The traced step for batches of this shape."""
        key = (batch.inputs.shape, batch.shared)
        if key not in self._programs:
            kinds: list[type] = []

            def step(*given: Tensor) -> Sequence[Tensor]:
                losses, gradients, output = self._differentiate(given, batch.shared)
                kinds.append(type(output))
                return losses.detach(), *gradients, *([output] if isinstance(output, Tensor) else output)

            self.skeleton.train()
            self._programs[key] = Program(trace(step, *_copies(self._given(batch))), kinds[0])
        return self._programs[key]

    def _differentiate(self, given: Sequence[Tensor], shared: bool) -> tuple[Tensor, Sequence[Tensor], Any]:
        """Losses, gradients and output, from what `_given` gives of a batch."""
        parameters = dict(zip(self.parameters, given, strict=False))
        buffers = dict(zip(self.buffers, given[len(parameters) :], strict=False))
        progress, inputs, *rest = given[len(parameters) + len(buffers) :]
        drawn = len(self.dropout.calls)
        masks, labels = rest[:drawn], rest[drawn:]
        output = self._forward(parameters, buffers, inputs, shared, masks)
        losses = self.losses(output, *labels, shared=shared, progress=progress)
        # The gradient of the sum: no run influences another.
        return losses, torch.autograd.grad(losses.sum(), list(parameters.values())), output

    def _lay_out(self) -> Tensor:
        """Store parameters in their gradients' layout: arithmetic on two layouts takes several times as long.

        Returns:
            Sums of nothing yet.
        """
        batch = self.batch_of(0)
        self.skeleton.train()
        losses, gradients, output = self._differentiate(_copies(self._given(batch)), batch.shared)
        for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
            if gradient.stride() != parameter.stride():
                self.parameters[name] = torch.empty_like(gradient).copy_(parameter.detach()).requires_grad_()
        return torch.zeros_like(self._sums(losses.detach(), output, batch), dtype=torch.float64)

    def _given(self, batch: Batch) -> tuple[Tensor, ...]:
        """Parameters, buffers, the progress of training, inputs, masks, targets, and weights where there are some."""
        return (*self.state.values(), self.progress, *_tensors(batch))

    def _forward(
        self,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        inputs: Tensor,
        shared: bool,
        masks: Sequence[Tensor] = (),
    ) -> Any:
        in_dims = (0, 0, None if shared else 0, *[0] * len(masks))
        return vmap(self._of_one, in_dims=in_dims)(dict(parameters), dict(buffers), inputs, *masks)

    def _of_one(
        self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, *masks: Tensor
    ) -> Any:
        """The output of one run's model, with its masks of dropout."""
        with with_masks(masks):
            return functional_call(self.skeleton, (dict(parameters), dict(buffers)), (inputs,))


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    labels = (batch.target,) if batch.weight is None else (batch.target, batch.weight)
    return (batch.inputs, *batch.masks, *labels)


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in tensors]


def one_of(stacked: Mapping[str, Tensor], k: int) -> dict[str, Tensor]:
    """The tensors of one run, copies in the usual layout."""
    return {name: tensor[k].detach().clone(memory_format=torch.contiguous_format) for name, tensor in stacked.items()}


def side_by_side(losses: Sequence[nn.Module]) -> list[int]:
    """The order in which losses of one kind are neighbours: indices into `losses`."""
    return sorted(range(len(losses)), key=lambda k: (kind(losses[k]), k))
