"""Learning rates that rise and fall, with momentum going the other way. Torch-free."""

from dataclasses import dataclass, field
from typing import ClassVar

from lossbench.config.values import number
from lossbench.training.schedules.base import Schedule, anneal


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Raise the learning rate to its full value and let it fall far below its start, with momentum going the other way.

    With P = pct_start * total_steps - 1, half a cosine each: factor 1 / div to 1 and momentum high to low over
    steps 0..P, then factor 1 to
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
        Smith and Topin 2018, Super-Convergence, section 3; cosine phases and defaults as in fastai and torch's
        OneCycleLR.
    """

    pct_start: float = 0.3
    div: float = 25.0
    final_div: float = 10000.0
    momentum_high: float = 0.95
    momentum_low: float = 0.85

    def __post_init__(self) -> None:
        """Check the settings."""
        number("pct_start", self.pct_start, 0, top=1)
        number("div", self.div, 1)
        number("final_div", self.final_div, 1)
        number("momentum_high", self.momentum_high, 0, below=1)
        number("momentum_low", self.momentum_low, 0, top=self.momentum_high)

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.factor`."""
        return self._cycle(1 / self.div, 1.0, 1 / (self.div * self.final_div), step, total_steps)

    def momentum(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """See `Schedule.momentum`."""
        return self._cycle(self.momentum_high, self.momentum_low, self.momentum_high, step, total_steps)

    def _cycle(self, start: float, peak: float, end: float, step: int, total_steps: int) -> float:
        peak_step = self.pct_start * total_steps - 1
        if step <= peak_step and peak_step > 0:
            return anneal(start, peak, step, peak_step)
        return anneal(peak, end, step - peak_step, total_steps - 1 - peak_step)


@dataclass(frozen=True)
class Finetune(Schedule):
    """Train the head alone first, then everything, each part with a one-cycle schedule of its own.

    In the second part the learning rate falls geometrically from the head to the stem: group g of G gets
    body_factor * stem_factor ^ ((G - 1 - g) / (G - 1)) times the one-cycle factor. The optimiser starts anew there,
    as fastai's does.

    Args:
        head_epochs: > 0, epochs that the head trains alone, fractions allowed.
        body_factor: 0..1 (0 excluded), peak learning rate of the head in the second part over that in the first.
        stem_factor: 0..1 (0 excluded), learning rate of the stem over that of the head in the second part.
        head: the one-cycle of the first part.
        body: the one-cycle of the second part.

    Raises:
        ValueError: on a value out of range.

    Reference:
        Howard and Ruder 2018, Universal Language Model Fine-tuning, section 3.2 (discriminative learning rates);
        golden.md, section 3.
    """

    layered: ClassVar[bool] = True

    head_epochs: float = 1.0
    body_factor: float = 0.5
    stem_factor: float = 0.01
    head: OneCycle = field(default_factory=lambda: OneCycle(pct_start=0.99))
    body: OneCycle = field(default_factory=lambda: OneCycle(div=5.0))

    def __post_init__(self) -> None:
        """Check the settings."""
        number("head_epochs", self.head_epochs, 0, above=True)
        number("body_factor", self.body_factor, 0, above=True, top=1)
        number("stem_factor", self.stem_factor, 0, above=True, top=1)

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
