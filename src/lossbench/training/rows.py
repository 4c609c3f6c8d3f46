"""The rows that are logged: their names and order, for one run (numbers) or for K at once (tensors of K)."""

import time
from collections.abc import Mapping
from typing import TypeVar

Number = TypeVar("Number")


def step_row(
    losses: Mapping[str, Number], gradient_norm: Number, learning_rate: Number, steps_per_second: Number
) -> dict[str, Number]:
    """A logged training step, measured before its update.

    Args:
        losses: "loss", then the terms that it is the sum of.
        gradient_norm: over all parameters.
        learning_rate: of the last group of parameters.
        steps_per_second: since the last logged step.
    """
    row = {f"train/{name}": value for name, value in losses.items()}
    row |= {"train/gradient_norm": gradient_norm, "train/learning_rate": learning_rate}
    return row | {"train/steps_per_second": steps_per_second}


def epoch_row(loss: Number, accuracy: Number | None) -> dict[str, Number]:
    """An epoch's means over training examples, taken while the weights moved; accuracy is that of classifiers."""
    row = {"train/epoch_loss": loss}
    return row if accuracy is None else row | {"train/epoch_accuracy": accuracy}


def split_row(split: str, measured: Mapping[str, Number]) -> dict[str, Number]:
    """What is measured on val or test, in the order of `measure_runs`."""
    return {f"{split}/{name}": value for name, value in measured.items()}


def scalars(row: Mapping[str, Number], epoch: Number) -> dict[str, Number]:
    """A row as loggers such as TensorBoard have it."""
    return {**row, "epoch": epoch}


class StepClock:
    """Measure steps per second between logged steps."""

    def __init__(self) -> None:
        self.start(0)

    def start(self, step: int) -> None:
        """Begin before a step."""
        self._since, self._first = time.perf_counter(), step

    def rate(self, done: int) -> float:
        """Steps per second since the last call, once so many steps are done."""
        since, first = self._since, self._first
        self.start(done)
        return (done - first) / max(self._since - since, 1e-9)


class RunClock:
    """Measure how long a run takes, over all its starts.

    Args:
        started: when this start began, as time.perf_counter gives it; None is now.
        before: seconds of the earlier starts, each until its last checkpoint.
    """

    def __init__(self, started: float | None = None, before: float = 0.0) -> None:
        self._began = (time.perf_counter() if started is None else started) - before

    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._began
