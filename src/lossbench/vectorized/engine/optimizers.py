"""SGD, Adam and AdamW for stacked parameters: every run has its own numbers. torch.optim takes tensors of one element only."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Numbers = Mapping[str, Any]


class StackedOptimizer(ABC):
    """Update stacked parameters as torch.optim updates those of each run.

    Args:
        parameters: (K, ...) each, updated in place.
        settings: one mapping for each of the K runs, as torch's optimiser of the same name takes them.

    Raises:
        ValueError: a setting is not known here.
    """

    takes: tuple[str, ...]

    def __init__(self, parameters: Iterable[Tensor], settings: Sequence[Numbers]) -> None:
        self.parameters = list(parameters)
        self.step_count = 0
        unknown = {name for each in settings for name in each} - set(self.takes)
        if unknown:
            raise ValueError(
                f"{', '.join(sorted(unknown))} cannot differ between stacked runs; known: {', '.join(self.takes)}"
            )
        self.columns: dict[str, Any] = {name: _column([each[name] for each in settings]) for name in settings[0]}
        self.state: dict[str, list[Tensor]] = {}

    @abstractmethod
    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once.

        Args:
            gradients: (K, ...) like the parameters.
            factor: what every learning rate is multiplied by at this step.
            momentum: replaces momentum (SGD) or beta1 (Adam) at this step; None leaves each run's own.
        """

    def buffers(self, name: str) -> list[Tensor]:
        """State of the name, zeros at first."""
        if name not in self.state:
            self.state[name] = [torch.zeros_like(parameter) for parameter in self.parameters]
        return self.state[name]

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors."""
        return {"step": self.step_count, "state": {name: list(tensors) for name, tensors in self.state.items()}}

    def load_state_dict(self, state: Mapping[str, Any], index: Tensor) -> None:
        """Go on from a state, of which `index` chooses the runs."""
        self.step_count = state["step"]
        self.state = {}
        for name, tensors in state["state"].items():
            for mine, tensor in zip(self.buffers(name), tensors, strict=True):
                mine.copy_(tensor[index])


class StackedSGD(StackedOptimizer):
    """torch.optim.SGD: v = momentum v + g + weight_decay w; w -= lr v (Nesterov: w -= lr (g + momentum v)). The first v is g."""

    takes = ("lr", "momentum", "nesterov", "weight_decay")

    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once."""
        nesterov, decay = self.columns.get("nesterov", 0.0), self.columns.get("weight_decay", 0.0)
        if isinstance(nesterov, Tensor):
            raise ValueError("nesterov cannot differ between stacked runs")
        turns = self.columns.get("momentum", 0.0) if momentum is None or "momentum" not in self.columns else momentum
        rate, first = self.columns["lr"] * factor, "momentum" not in self.state
        with torch.no_grad():
            for w, g, v in zip(self.parameters, gradients, self.buffers("momentum"), strict=True):
                if isinstance(decay, Tensor) or decay:
                    g = g + fit(decay, w) * w
                if isinstance(turns, Tensor) or turns:
                    m = fit(turns, w)
                    v.copy_(g) if first else v.mul_(m).add_(g)
                    g = g + m * v if nesterov else v
                w.sub_(fit(rate, w) * g)
        self.step_count += 1


class StackedAdam(StackedOptimizer):
    """torch.optim.Adam: weight decay is added to the gradient."""

    takes = ("lr", "betas", "eps", "weight_decay")
    decoupled = False

    def __init__(self, parameters: Iterable[Tensor], settings: Sequence[Numbers]) -> None:
        super().__init__(parameters, settings)
        pairs = [each["betas"] for each in settings]
        self.columns |= {"first": _column([beta for beta, _ in pairs]), "second": _column([beta for _, beta in pairs])}

    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once."""
        self.step_count += 1
        lr, decay = self.columns["lr"] * factor, self.columns.get("weight_decay", 0.0)
        first, second = self.columns["first"] if momentum is None else momentum, self.columns["second"]
        # What multiplies the update, and what the root of the second moment is divided by: as torch has them, in double precision.
        size, root = lr / (1 - first**self.step_count), (1 - second**self.step_count) ** 0.5
        decays = isinstance(decay, Tensor) or decay != 0
        with torch.no_grad():
            for w, g, m, v in zip(
                self.parameters, gradients, self.buffers("first"), self.buffers("second"), strict=True
            ):
                if decays and self.decoupled:
                    w.mul_(fit(1 - lr * decay, w))
                elif decays:
                    g = g + fit(decay, w) * w
                m.lerp_(g, fit(1 - first, w))
                v.mul_(fit(second, w))
                rest = fit(1 - second, w)
                v.addcmul_(g, g, value=rest) if isinstance(rest, float) else v.add_(rest * g * g)
                below = v.sqrt().div_(fit(root, w)).add_(fit(self.columns["eps"], w))
                much = fit(size, w)
                w.addcdiv_(m, below, value=-much) if isinstance(much, float) else w.sub_(
                    torch.div(m, below, out=below).mul_(much)
                )


class StackedAdamW(StackedAdam):
    """torch.optim.AdamW: weights shrink by lr * weight_decay before the update."""

    decoupled = True


def fit(value: float | Tensor, like: Tensor) -> float | Tensor:
    """A number that is the same in all runs stays one; numbers of the runs get the shape (K, 1, ...) to multiply with `like`."""
    if not isinstance(value, Tensor):
        return value
    return value.to(like.device, like.dtype).view(-1, *[1] * (like.ndim - 1))


def _column(values: Sequence[Any]) -> Any:
    """One setting of all runs: a plain number where it is the same in all, otherwise (K,) float64."""
    if isinstance(values[0], list | tuple):
        return list(values)
    return float(values[0]) if len(set(values)) == 1 else torch.tensor(values, dtype=torch.float64)


OPTIMIZERS: dict[str, type[StackedOptimizer]] = {
    "torch.optim.SGD": StackedSGD,
    "torch.optim.Adam": StackedAdam,
    "torch.optim.AdamW": StackedAdamW,
}
"""What a configuration calls them."""
