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

Settings = Mapping[str, Any]
Number = float | Tensor
"""One for all runs, or (K,) of each of them."""
Numbers = Mapping[str, Number]


class StackedOptimizer(ABC):
    """Update stacked parameters as torch.optim updates those of each run.

    Args:
        parameters: (K, ...) each, updated in place.
        settings: one mapping for each of the K runs, as torch's optimiser of the same name takes them.

    Raises:
        ValueError: a setting is not known here, or cannot differ between runs.
    """

    takes: tuple[str, ...]
    moments: tuple[str, ...]
    """Names of the state that it keeps of each parameter, zeros at first."""

    def __init__(self, parameters: Iterable[Tensor], settings: Sequence[Settings]) -> None:
        self.parameters = list(parameters)
        self.step_count = 0
        unknown = {name for each in settings for name in each} - set(self.takes)
        if unknown:
            raise ValueError(
                f"{', '.join(sorted(unknown))} cannot differ between stacked runs; known: {', '.join(self.takes)}"
            )
        self.columns: dict[str, Any] = {name: self._column([each[name] for each in settings]) for name in settings[0]}
        self.state = {name: [torch.zeros_like(each).detach() for each in self.parameters] for name in self.moments}

    def step(self, gradients: Sequence[Tensor], factor: float, momentum: float | None) -> None:
        """Update once.

        Args:
            gradients: (K, ...) like the parameters.
            factor: what every learning rate is multiplied by at this step.
            momentum: replaces momentum (SGD) or beta1 (Adam) at this step; None leaves each run's own.
        """
        self.update(self.parameters, gradients, self.state, self.numbers(factor, momentum))

    @abstractmethod
    def numbers(self, factor: float, momentum: float | None) -> Numbers:
        """Count a step, and give the numbers with which it updates: all that differs between two steps.

        Args:
            factor: as `step` takes it.
            momentum: likewise.
        """

    @torch.no_grad()
    def update(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        state: Mapping[str, Sequence[Tensor]],
        numbers: Numbers,
    ) -> None:
        """Update in place; it depends on its arguments alone, so that it may be traced.

        Args:
            parameters: (K, ...) each.
            gradients: like them.
            state: for each of `moments` tensors like them.
            numbers: what `numbers` gives; in place of a float also ().
        """
        moments = zip(*(state[name] for name in self.moments), strict=True)
        for theta, g, own in zip(parameters, gradients, moments, strict=True):
            self._update_one(theta, g, own, {name: per_run(number, theta) for name, number in numbers.items()})

    @abstractmethod
    def _update_one(self, theta: Tensor, g: Tensor, moments: Sequence[Tensor], n: Numbers) -> None:
        """Update one parameter in place.

        Args:
            theta: (K, ...).
            g: its gradient.
            moments: its state, in the order of their names.
            n: the numbers of the update, of all runs or (K, 1, ...).
        """

    def reset(self) -> None:
        """Forget all steps."""
        self.step_count = 0
        for tensors in self.state.values():
            for tensor in tensors:
                tensor.zero_()

    def _column(self, values: Sequence[Any]) -> Any:
        """One setting of all runs: a plain number where it is the same in all, otherwise (K,) float64."""
        return list(values) if isinstance(values[0], list | tuple) else number_of(values, self.parameters[0].device)

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors."""
        return {"step": self.step_count, "state": {name: list(tensors) for name, tensors in self.state.items()}}

    def load_state_dict(self, state: Mapping[str, Any], index: Tensor) -> None:
        """Go on from a state, of which `index` chooses the runs."""
        self.step_count = state["step"]
        for name, mine in self.state.items():
            for tensor, saved in zip(mine, state["state"][name], strict=True):
                tensor.copy_(saved[index])


class StackedSGD(StackedOptimizer):
    """torch.optim.SGD.

    b = momentum b + g + weight_decay theta; theta -= lr b, of Nesterov's lr (g + momentum b). The first b is g.
    """

    takes = ("lr", "momentum", "nesterov", "weight_decay")
    moments = ("momentum",)

    def __init__(self, parameters: Iterable[Tensor], settings: Sequence[Settings]) -> None:
        super().__init__(parameters, settings)
        nesterov = self.columns.get("nesterov", 0.0)
        if isinstance(nesterov, Tensor):
            raise ValueError("nesterov cannot differ between stacked runs")
        self.nesterov = bool(nesterov)

    def numbers(self, factor: float, momentum: float | None) -> Numbers:
        """Count a step, and give its numbers."""
        self.step_count += 1
        own = self.columns.get("momentum", 0.0)
        mu = own if momentum is None or "momentum" not in self.columns else momentum
        return {"lr": self.columns["lr"] * factor, "mu": mu, "weight_decay": self.columns.get("weight_decay", 0.0)}

    def _update_one(self, theta: Tensor, g: Tensor, moments: Sequence[Tensor], n: Numbers) -> None:
        (b,) = moments
        if used(n["weight_decay"]):
            g = g + n["weight_decay"] * theta
        if used(n["mu"]):
            g = _with_momentum(g, b, n["mu"], self.nesterov)
        theta.sub_(n["lr"] * g)


def _with_momentum(g: Tensor, b: Tensor, mu: Number, nesterov: bool) -> Tensor:
    """Update the momentum buffer; give the direction of the step."""
    b.mul_(mu).add_(g)
    return g + mu * b if nesterov else b


class StackedAdam(StackedOptimizer):
    """torch.optim.Adam: weight decay is added to the gradient."""

    takes = ("lr", "betas", "eps", "weight_decay")
    moments = ("m", "v")
    decoupled = False

    def __init__(self, parameters: Iterable[Tensor], settings: Sequence[Settings]) -> None:
        super().__init__(parameters, settings)
        betas = [each["betas"] for each in settings]
        self.columns["beta1"] = self._column([beta1 for beta1, _ in betas])
        self.columns["beta2"] = self._column([beta2 for _, beta2 in betas])

    def numbers(self, factor: float, momentum: float | None) -> Numbers:
        """Count a step, and give its numbers; the corrections of the moments' bias in double precision as torch's."""
        self.step_count += 1
        lr, weight_decay = self.columns["lr"] * factor, self.columns.get("weight_decay", 0.0)
        beta1, beta2 = self.columns["beta1"] if momentum is None else momentum, self.columns["beta2"]
        return {
            "weight_decay": weight_decay,
            "shrink": 1 - lr * weight_decay,
            "one_minus_beta1": 1 - beta1,
            "beta2": beta2,
            "one_minus_beta2": 1 - beta2,
            "step_size": lr / (1 - beta1**self.step_count),
            "root": (1 - beta2**self.step_count) ** 0.5,
            "eps": self.columns["eps"],
        }

    def _update_one(self, theta: Tensor, g: Tensor, moments: Sequence[Tensor], n: Numbers) -> None:
        m, v = moments
        if used(n["weight_decay"]):
            g = self._decay(theta, g, n)
        m.lerp_(g, n["one_minus_beta1"])
        v.mul_(n["beta2"])
        _add_square(v, g, n["one_minus_beta2"])
        denominator = v.sqrt().div_(n["root"]).add_(n["eps"])
        _subtract_ratio(theta, m, denominator, n["step_size"])

    def _decay(self, theta: Tensor, g: Tensor, n: Numbers) -> Tensor:
        """Give the gradient with weight decay, or shrink the parameters themselves (AdamW)."""
        if not self.decoupled:
            return g + n["weight_decay"] * theta
        theta.mul_(n["shrink"])
        return g


class StackedAdamW(StackedAdam):
    """torch.optim.AdamW: parameters shrink by lr * weight_decay before the update."""

    decoupled = True


def _add_square(v: Tensor, g: Tensor, weight: Number) -> None:
    """v += weight g^2, with as few temporaries as the kind of number allows."""
    v.addcmul_(g, g, value=weight) if isinstance(weight, float) else v.add_(weight * g * g)


def _subtract_ratio(theta: Tensor, m: Tensor, denominator: Tensor, step_size: Number) -> None:
    """theta -= step_size m / denominator; the denominator is overwritten."""
    if isinstance(step_size, float):
        theta.addcdiv_(m, denominator, value=-step_size)
    else:
        theta.sub_(torch.div(m, denominator, out=denominator).mul_(step_size))


def number_of(values: Sequence[float], device: torch.device) -> Number:
    """The numbers of all runs: a plain one where it is the same in all, otherwise (K,) float64.

    They lie beside the parameters: to copy numbers to a GPU at each step would wait for it each time.
    """
    return float(values[0]) if len(set(values)) == 1 else torch.tensor(values, dtype=torch.float64, device=device)


def used(number: Number) -> bool:
    """Whether a number has an effect in any run."""
    return isinstance(number, Tensor) or number != 0


def per_run(value: Number, like: Tensor) -> Number:
    """A number that is the same in all runs, or those of the runs in shape (K, 1, ...), to multiply with `like`."""
    if not isinstance(value, Tensor):
        return value
    numbers = value.to(like.device, like.dtype)
    return numbers.view(-1, *[1] * (like.ndim - 1)) if numbers.ndim else numbers


OPTIMIZERS: dict[str, type[StackedOptimizer]] = {
    "torch.optim.SGD": StackedSGD,
    "torch.optim.Adam": StackedAdam,
    "torch.optim.AdamW": StackedAdamW,
}
"""By their targets in a configuration."""
