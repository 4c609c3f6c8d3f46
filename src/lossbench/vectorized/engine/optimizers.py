"""SGD, Adam and AdamW for stacked parameters: every run has its own numbers.

torch.optim takes one number for all, or tensors of one element. Variables are those of the papers: theta parameters,
g gradient, b the momentum buffer of SGD (Sutskever et al. 2013, as torch writes it), m and v the moments of Adam
(Kingma and Ba 2015, algorithm 1).
"""

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
        self.columns: dict[str, Any] = {name: self._column([each[name] for each in settings]) for name in settings[0]}
        self.state: dict[str, list[Tensor]] = {}

    @abstractmethod
    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once.

        Args:
            gradients: (K, ...) like the parameters.
            factor: what every learning rate is multiplied by at this step.
            momentum: replaces momentum (SGD) or beta1 (Adam) at this step; None leaves each run's own.
        """

    def _column(self, values: Sequence[Any]) -> Any:
        """One setting of all runs: a plain number where it is the same in all, otherwise (K,) float64."""
        if isinstance(values[0], list | tuple):
            return list(values)
        if len(set(values)) == 1:
            return float(values[0])
        # Beside the parameters: to copy numbers to a GPU at each step would wait for it each time.
        return torch.tensor(values, dtype=torch.float64, device=self.parameters[0].device)

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
    """torch.optim.SGD.

    b = momentum b + g + weight_decay theta; theta -= lr b, of Nesterov's lr (g + momentum b). The first b is g.
    """

    takes = ("lr", "momentum", "nesterov", "weight_decay")

    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once."""
        nesterov, weight_decay = self.columns.get("nesterov", 0.0), self.columns.get("weight_decay", 0.0)
        if isinstance(nesterov, Tensor):
            raise ValueError("nesterov cannot differ between stacked runs")
        own = self.columns.get("momentum", 0.0)
        mu = own if momentum is None or "momentum" not in self.columns else momentum
        lr, is_first = self.columns["lr"] * factor, "momentum" not in self.state
        with torch.no_grad():
            for theta, g, b in zip(self.parameters, gradients, self.buffers("momentum"), strict=True):
                if used(weight_decay):
                    g = g + per_run(weight_decay, theta) * theta
                if used(mu):
                    g = _with_momentum(g, b, per_run(mu, theta), is_first, bool(nesterov))
                theta.sub_(per_run(lr, theta) * g)
        self.step_count += 1


def _with_momentum(g: Tensor, b: Tensor, mu: float | Tensor, is_first: bool, nesterov: bool) -> Tensor:
    """Update the momentum buffer; give the direction of the step."""
    b.copy_(g) if is_first else b.mul_(mu).add_(g)
    return g + mu * b if nesterov else b


class StackedAdam(StackedOptimizer):
    """torch.optim.Adam: weight decay is added to the gradient."""

    takes = ("lr", "betas", "eps", "weight_decay")
    decoupled = False

    def __init__(self, parameters: Iterable[Tensor], settings: Sequence[Numbers]) -> None:
        super().__init__(parameters, settings)
        betas = [each["betas"] for each in settings]
        self.columns["beta1"] = self._column([beta1 for beta1, _ in betas])
        self.columns["beta2"] = self._column([beta2 for _, beta2 in betas])

    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once."""
        self.step_count += 1
        lr, weight_decay = self.columns["lr"] * factor, self.columns.get("weight_decay", 0.0)
        beta1, beta2 = self.columns["beta1"] if momentum is None else momentum, self.columns["beta2"]
        # The corrections of the moments' bias, in double precision as torch has them.
        step_size, root = lr / (1 - beta1**self.step_count), (1 - beta2**self.step_count) ** 0.5
        moments = zip(self.parameters, gradients, self.buffers("m"), self.buffers("v"), strict=True)
        with torch.no_grad():
            for theta, g, m, v in moments:
                if used(weight_decay):
                    g = self._decay(theta, g, lr, weight_decay)
                m.lerp_(g, per_run(1 - beta1, theta))
                v.mul_(per_run(beta2, theta))
                _add_square(v, g, per_run(1 - beta2, theta))
                denominator = v.sqrt().div_(per_run(root, theta)).add_(per_run(self.columns["eps"], theta))
                _subtract_ratio(theta, m, denominator, per_run(step_size, theta))

    def _decay(self, theta: Tensor, g: Tensor, lr: Any, weight_decay: Any) -> Tensor:
        """Give the gradient with weight decay, or shrink the parameters themselves (AdamW)."""
        if not self.decoupled:
            return g + per_run(weight_decay, theta) * theta
        theta.mul_(per_run(1 - lr * weight_decay, theta))
        return g


class StackedAdamW(StackedAdam):
    """torch.optim.AdamW: parameters shrink by lr * weight_decay before the update."""

    decoupled = True


def _add_square(v: Tensor, g: Tensor, weight: float | Tensor) -> None:
    """v += weight g^2, with as few temporaries as the kind of number allows."""
    v.addcmul_(g, g, value=weight) if isinstance(weight, float) else v.add_(weight * g * g)


def _subtract_ratio(theta: Tensor, m: Tensor, denominator: Tensor, step_size: float | Tensor) -> None:
    """theta -= step_size m / denominator; the denominator is overwritten."""
    if isinstance(step_size, float):
        theta.addcdiv_(m, denominator, value=-step_size)
    else:
        theta.sub_(torch.div(m, denominator, out=denominator).mul_(step_size))


def used(number: float | Tensor) -> bool:
    """Whether a number has an effect in any run."""
    return isinstance(number, Tensor) or number != 0


def per_run(value: float | Tensor, like: Tensor) -> float | Tensor:
    """A number that is the same in all runs, or those of the runs in shape (K, 1, ...), to multiply with `like`."""
    if not isinstance(value, Tensor):
        return value
    return value.to(like.device, like.dtype).view(-1, *[1] * (like.ndim - 1))


OPTIMIZERS: dict[str, type[StackedOptimizer]] = {
    "torch.optim.SGD": StackedSGD,
    "torch.optim.Adam": StackedAdam,
    "torch.optim.AdamW": StackedAdamW,
}
"""By their targets in a configuration."""
