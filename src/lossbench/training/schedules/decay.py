"""Learning rates that stay or fall, after an optional linear warm-up. Torch-free."""

from dataclasses import dataclass

from lossbench.config.values import number
from lossbench.training.schedules.base import Schedule, anneal, warmup, warmup_steps


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
        number("warmup_epochs", self.warmup_epochs, 0)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        return warmup(step, warmup_steps(self.warmup_epochs, steps_per_epoch))


@dataclass(frozen=True)
class Step(Schedule):
    """Cut the learning rate by a fixed factor every few epochs.

    factor = warm-up * gamma^floor(epoch / every_epochs); epochs count from the start of training (see `Constant`).

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
        number("every_epochs", self.every_epochs, 0, above=True)
        number("gamma", self.gamma, 0, above=True, top=1)
        number("warmup_epochs", self.warmup_epochs, 0)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        cuts = step // steps_per_epoch // self.every_epochs
        return warmup(step, warmup_steps(self.warmup_epochs, steps_per_epoch)) * self.gamma**cuts


@dataclass(frozen=True)
class Cosine(Schedule):
    """Let the learning rate fall along half a cosine, from its full value to a final fraction.

    factor = (step + 1) / W during the W warm-up steps (see `Constant`), then
    final + (1 - final) (1 + cos(pi (step - W) / (total_steps - W))) / 2;
    `final` itself is what the step after the last would get.

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
        number("final", self.final, 0, top=1)
        number("warmup_epochs", self.warmup_epochs, 0)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        rising = warmup_steps(self.warmup_epochs, steps_per_epoch)
        if step < rising:
            return warmup(step, rising)
        return anneal(1.0, self.final, step - rising, total_steps - rising)
