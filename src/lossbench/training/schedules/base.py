"""What a schedule is, and what schedules are made of. Torch-free."""

import math
from abc import ABC, abstractmethod
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
        """Give the factor of each group of layers, from the stem to the head; None leaves a group as it is.

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


def warmup_steps(warmup_epochs: float, steps_per_epoch: int) -> int:
    """The steps of a warm-up."""
    return round(warmup_epochs * steps_per_epoch)


def warmup(step: int, steps: int) -> float:
    """The factor of a linear warm-up of so many steps; 1 after it."""
    return min(1.0, (step + 1) / steps) if steps else 1.0


def anneal(start: float, end: float, done: float, length: float) -> float:
    """Half a cosine from start to end; stays at end beyond it, and at start where there is no length."""
    progress = min(1.0, done / length) if length > 0 else 0.0
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
