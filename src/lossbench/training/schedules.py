"""Learning-rate schedules as pure functions of the step: a resumed run needs no scheduler state, and any engine can use them.

Steps count from 0 and one step is one update of the weights; an epoch is steps_per_epoch of them. A factor multiplies the optimiser's
learning rate and lies in 0..1, so that the learning rate given is the highest one used.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar


class Schedule(ABC):
    """What a schedule answers at each step."""

    layered: ClassVar[bool] = False
    """Whether it needs a model whose layers come in groups."""

    @abstractmethod
    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """Give what the learning rate is multiplied by at this step.

        Args:
            step: 0..total_steps - 1.
            total_steps: >= 1, the whole run's.
            steps_per_epoch: >= 1.

        Returns:
            The factor, 0..1.
        """

    def factors(self, step: int, total_steps: int, steps_per_epoch: int, groups: int) -> list[float | None]:
        """Give the factor of each group of layers, from the stem to the head; None leaves a group untrained at this step.

        Args:
            step: 0..total_steps - 1.
            total_steps: >= 1, the whole run's.
            steps_per_epoch: >= 1.
            groups: how many groups of layers the model has, >= 1.

        Returns:
            One factor for each group.
        """
        return [self.factor(step, total_steps, steps_per_epoch)] * groups

    def starts_anew(self, step: int, total_steps: int, steps_per_epoch: int) -> bool:
        """Whether the optimiser forgets its running means before this step."""
        return False

    def momentum(self, step: int, total_steps: int, steps_per_epoch: int) -> float | None:
        """Give the momentum (SGD) or beta1 (Adam) at this step, or None to leave the optimiser's own.

        Args:
            step: 0..total_steps - 1.
            total_steps: >= 1, the whole run's.
            steps_per_epoch: >= 1.

        Returns:
            The momentum, 0..1, or None.
        """
        return None


@dataclass(frozen=True)
class Constant(Schedule):
    """Keep the learning rate as it is, after an optional linear warm-up.

    factor = min(1, (step + 1) / W), W = round(warmup_epochs * steps_per_epoch); 1 without warm-up.

    Args:
        warmup_epochs: >= 0, epochs, fractions allowed.

    Raises:
        ValueError: on a value out of range.
    """

    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        _require(self.warmup_epochs >= 0, "warmup_epochs must be >= 0", self.warmup_epochs)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        return _warmup(step, _warmup_steps(self.warmup_epochs, steps_per_epoch))


@dataclass(frozen=True)
class Step(Schedule):
    """Cut the learning rate by a fixed factor every few epochs.

    factor = warm-up * gamma^floor(epoch / every_epochs); epochs count from the start of training, warm-up included (see `Constant`).

    Args:
        every_epochs: > 0, epochs between cuts; He et al.: 30 on ImageNet.
        gamma: > 0 and <= 1, what each cut multiplies by; He et al.: 0.1.
        warmup_epochs: >= 0, epochs, fractions allowed.

    Raises:
        ValueError: on a value out of range.

    Reference:
        He et al. 2016, Deep Residual Learning for Image Recognition, sections 3.4 and 4.1.
    """

    every_epochs: int = 30
    gamma: float = 0.1
    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        _require(self.every_epochs > 0, "every_epochs must be > 0", self.every_epochs)
        _require(0 < self.gamma <= 1, "gamma must be > 0 and <= 1", self.gamma)
        _require(self.warmup_epochs >= 0, "warmup_epochs must be >= 0", self.warmup_epochs)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        cuts = step // steps_per_epoch // self.every_epochs
        return _warmup(step, _warmup_steps(self.warmup_epochs, steps_per_epoch)) * self.gamma**cuts


@dataclass(frozen=True)
class Cosine(Schedule):
    """Let the learning rate fall along half a cosine, from its full value to a final fraction.

    factor = (step + 1) / W during the W warm-up steps (see `Constant`), then
    final + (1 - final) (1 + cos(pi (step - W) / (total_steps - W))) / 2; `final` itself is what the step after the last would get.

    Args:
        final: 0..1, fraction of the learning rate to end at; the paper's 0.
        warmup_epochs: >= 0, epochs, fractions allowed.

    Raises:
        ValueError: on a value out of range.

    Reference:
        Loshchilov and Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts, eq. 5, without restarts.
    """

    final: float = 0.0
    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        _require(0 <= self.final <= 1, "final must be within 0..1", self.final)
        _require(self.warmup_epochs >= 0, "warmup_epochs must be >= 0", self.warmup_epochs)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        warmup = _warmup_steps(self.warmup_epochs, steps_per_epoch)
        if step < warmup:
            return _warmup(step, warmup)
        return _anneal(1.0, self.final, step - warmup, total_steps - warmup)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Raise the learning rate to its full value and let it fall far below its start, with momentum going the other way.

    With P = pct_start * total_steps - 1, half a cosine each: factor 1 / div to 1 and momentum high to low over steps 0..P, then factor 1 to
    1 / (div * final_div) and momentum low to high over steps P..total_steps - 1.

    Args:
        pct_start: 0..1, fraction of the steps spent rising.
        div: >= 1, full over first learning rate.
        final_div: >= 1, first over last learning rate.
        momentum_high: momentum at both ends, momentum_low..1 (1 excluded).
        momentum_low: momentum at the full learning rate, 0..momentum_high.

    Raises:
        ValueError: on a value out of range.

    Reference:
        Smith and Topin 2018, Super-Convergence, section 3; cosine phases and defaults as in fastai and torch's OneCycleLR.
    """

    pct_start: float = 0.3
    div: float = 25.0
    final_div: float = 10000.0
    momentum_high: float = 0.95
    momentum_low: float = 0.85

    def __post_init__(self) -> None:
        """Check the settings."""
        _require(0 <= self.pct_start <= 1, "pct_start must be within 0..1", self.pct_start)
        _require(self.div >= 1, "div must be >= 1", self.div)
        _require(self.final_div >= 1, "final_div must be >= 1", self.final_div)
        _require(0 <= self.momentum_high < 1, "momentum_high must be >= 0 and < 1", self.momentum_high)
        _require(
            0 <= self.momentum_low <= self.momentum_high,
            "momentum_low must be within 0..momentum_high",
            self.momentum_low,
        )

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        return self._cycle(1 / self.div, 1.0, 1 / (self.div * self.final_div), step, total_steps)

    def momentum(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.momentum`."""
        return self._cycle(self.momentum_high, self.momentum_low, self.momentum_high, step, total_steps)

    def _cycle(self, start: float, peak: float, end: float, step: int, total_steps: int) -> float:
        peak_step = self.pct_start * total_steps - 1
        if step <= peak_step and peak_step > 0:
            return _anneal(start, peak, step, peak_step)
        return _anneal(peak, end, step - peak_step, total_steps - 1 - peak_step)


@dataclass(frozen=True)
class Finetune(Schedule):
    """Train the head alone first, then everything, each part with a one-cycle schedule of its own.

    In the second part the learning rate falls geometrically from the head to the stem: group g of G gets
    body_factor * stem_factor ^ ((G - 1 - g) / (G - 1)) times the one-cycle factor. The optimiser starts anew there, as fastai's does.

    Args:
        head_epochs: > 0, epochs that the head trains alone, fractions allowed.
        body_factor: 0..1 (0 excluded), peak learning rate of the head in the second part over that in the first.
        stem_factor: 0..1 (0 excluded), learning rate of the stem over that of the head in the second part.
        head: the one-cycle of the first part.
        body: the one-cycle of the second part.

    Raises:
        ValueError: on a value out of range.

    Reference:
        Howard and Ruder 2018, Universal Language Model Fine-tuning, section 3.2 (discriminative learning rates); golden.md, section 3.
    """

    layered: ClassVar[bool] = True

    head_epochs: float = 1.0
    body_factor: float = 0.5
    stem_factor: float = 0.01
    head: OneCycle = field(default_factory=lambda: OneCycle(pct_start=0.99))
    body: OneCycle = field(default_factory=lambda: OneCycle(div=5.0))

    def __post_init__(self) -> None:
        """Check the settings."""
        _require(self.head_epochs > 0, "head_epochs must be > 0", self.head_epochs)
        _require(0 < self.body_factor <= 1, "body_factor must be > 0 and <= 1", self.body_factor)
        _require(0 < self.stem_factor <= 1, "stem_factor must be > 0 and <= 1", self.stem_factor)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """Give the head's factor, see `Schedule.factor`."""
        factor = self.factors(step, total_steps, steps_per_epoch, 1)[-1]
        assert factor is not None  # the head always trains
        return factor

    def factors(self, step: int, total_steps: int, steps_per_epoch: int, groups: int) -> list[float | None]:
        """See `Schedule.factors`."""
        split = self._split(total_steps, steps_per_epoch)
        if step < split:
            return [*[None] * (groups - 1), self.head.factor(step, split, steps_per_epoch)]
        peak = self.body_factor * self.body.factor(step - split, total_steps - split, steps_per_epoch)
        return [peak * self.stem_factor ** ((groups - 1 - g) / max(1, groups - 1)) for g in range(groups)]

    def starts_anew(self, step: int, total_steps: int, steps_per_epoch: int) -> bool:
        """See `Schedule.starts_anew`."""
        return step == self._split(total_steps, steps_per_epoch)

    def momentum(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.momentum`."""
        split = self._split(total_steps, steps_per_epoch)
        if step < split:
            return self.head.momentum(step, split, steps_per_epoch)
        return self.body.momentum(step - split, total_steps - split, steps_per_epoch)

    def _split(self, total_steps: int, steps_per_epoch: int) -> int:
        return min(total_steps, max(1, round(self.head_epochs * steps_per_epoch)))


def _require(valid: bool, rule: str, value: float) -> None:
    if not valid:
        raise ValueError(f"{rule}, got {value}")


def _warmup_steps(warmup_epochs: float, steps_per_epoch: int) -> int:
    return round(warmup_epochs * steps_per_epoch)


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


def _anneal(start: float, end: float, done: float, length: float) -> float:
    """Half a cosine from start to end; stays at end beyond it, and at start where there is no length."""
    progress = min(1.0, done / length) if length > 0 else 0.0
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
