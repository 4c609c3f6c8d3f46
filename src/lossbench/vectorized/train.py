"""Train the runs of one stack and measure them as a single run is measured."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from lossbench.config.build import build
from lossbench.config.schema import RunConfig
from lossbench.data.order import TrainBatches
from lossbench.data.source import ONE_CLASS
from lossbench.training.divergence import not_the_learning_rate
from lossbench.training.evaluation import Evaluation, Yardstick, measure_runs, raw
from lossbench.training.memorisation import counted, memorisation_row
from lossbench.training.rows import RunClock, StepClock, epoch_row, split_row, step_row
from lossbench.vectorized.best import BestWeights
from lossbench.vectorized.engine.batches import Batch, Batches
from lossbench.vectorized.engine.losses import StackedLosses
from lossbench.vectorized.engine.outputs import each_part, outputs_of
from lossbench.vectorized.engine.program import Stepped
from lossbench.vectorized.engine.stack import Stack
from lossbench.vectorized.members import build_members
from lossbench.vectorized.rows import StackedRows
from lossbench.vectorized.shared import Shared

REPORTED_EVERY = 50  # steps between two calls of after_steps


class StackedRuns:
    """Runs that are trained together, and what has been measured of them so far.

    Args:
        configs: of the runs, all of one group, those of one kind of loss side by side (`in_order`).
        shared: what they share: data, yardsticks, steps.
        device: where they are trained.
        dtype: of the parameters; runs are float32.
    """

    def __init__(
        self, configs: Sequence[RunConfig], shared: Shared, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.configs, self.parts, self.device = configs, shared.parts, device
        first, self.task = configs[0], shared.parts.data.source.task
        self.classifies = self.task in ONE_CLASS
        self.replicates = [shared.replicate(config) for config in configs]
        self.examples = {stage: shared.examples(stage, configs, device, dtype) for stage in ("train", *first.stages)}
        self.members = build_members(configs, shared, device, dtype)
        self.yardsticks = self._yardsticks()
        self._train_counts = self._uneven_counts()
        self._rates = torch.tensor([member.optimizer["lr"] for member in self.members], dtype=torch.float64)
        self.schedule = build(first.scheduler, "scheduler")
        batches = Batches(self.examples["train"], self._orders())
        self._batch_size = batches.batch_size
        length = (self.parts.total_steps, self.parts.steps_per_epoch)
        self.stack = Stack(self.members, first.optimizer.target, batches, self.schedule, *length, self._sums)
        self.rows, self.every = StackedRows(), first.log_every_n_steps
        self.best = BestWeights(first.monitor, self.stack.state)
        self._follows = validates_epochs(first)
        self.diverged_at = torch.full((len(configs),), -1, device=device)  # at or before this step; -1 is not
        self._clock, self.resumed_at, self.clock = StepClock(), 0, RunClock()

    def _orders(self) -> list[TrainBatches]:
        data, n = self.parts.data, len(self.examples["train"])
        return [
            TrainBatches(
                n,
                data.batch_size,
                config.seed,
                steps_per_epoch=data.steps_per_epoch,
                classes=replicate.data.sampled_classes,
            )
            for config, replicate in zip(self.configs, self.replicates, strict=True)
        ]

    def _yardsticks(self) -> dict[str, Yardstick]:
        """The values of each yardstick on the outputs of all runs, with the numbers of each run's replicate."""
        stacked: dict[str, Yardstick] = {}
        for name in self.parts.yardsticks:
            losses = [replicate.yardsticks[name] for replicate in self.replicates]
            stacked[name] = StackedLosses(losses, self.device).per_example
        return stacked

    def _uneven_counts(self) -> Tensor | None:
        """The training examples of each run's classes, (K, C), where they are uneven."""
        counts = [replicate.train_counts for replicate in self.replicates]
        known = [each for each in counts if each is not None]
        return torch.stack(known).to(self.device) if len(known) == len(counts) else None

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return -(-self.stack.step // self.parts.steps_per_epoch)

    def train(
        self, after_step: Callable[[], None], after_epoch: Callable[[], None], after_steps: Callable[[int], object]
    ) -> None:
        """Train to the end.

        Args:
            after_step: is called after every step, e.g. to save and stop; whatever it raises ends the training.
            after_epoch: is called after every epoch is measured, e.g. to save.
            after_steps: is called with the number of steps made since its last call.
        """
        self._clock.start(self.stack.step)
        reported, total = self.stack.step, self.parts.total_steps
        while self.stack.step < total:
            self._step()
            step = self.stack.step
            if step % self.parts.steps_per_epoch == 0 or step == total:
                self._end_epoch()
                after_epoch()
            if step % REPORTED_EVERY == 0 or step == total:
                after_steps(step - reported)
                reported = step
            after_step()

    def _step(self) -> None:
        step, epoch = self.stack.step, self.stack.step // self.parts.steps_per_epoch
        seen = self.stack.train_step()
        if step % self.every == 0:
            with torch.no_grad():
                self._note_divergence(step)
                self._log(step, epoch, seen)

    def _sums(self, losses: Tensor, output: Any, batch: Batch) -> Tensor:
        """What a step adds to an epoch's sums: losses, hits and fitted labels, (K, columns)."""
        if not self.classifies:
            return torch.stack((losses * self._batch_size, torch.zeros_like(losses)), dim=1)
        predicted = raw(output).argmax(-1)  # how many examples a run's model ranks first
        hits = (predicted == batch.target).sum(-1)
        fits = [] if batch.true is None else counted(predicted, batch.target, batch.true)
        return torch.stack((losses * self._batch_size, hits, *fits), dim=1)

    def _note_divergence(self, step: int) -> None:
        """Note which runs' losses have stopped being finite: the sum of an epoch's losses keeps it."""
        new = (self.diverged_at < 0) & ~self.stack.totals[:, 0].isfinite()
        self.diverged_at = torch.where(new, step, self.diverged_at)

    def _log(self, step: int, epoch: int, seen: Stepped) -> None:
        speed = self._clock.rate(step + 1)
        norm = torch.stack([gradient.flatten(1).square().sum(1) for gradient in seen.gradients]).sum(0).sqrt()
        rates = self._rates * self.schedule.factor(step, self.parts.total_steps, self.parts.steps_per_epoch)
        target, weight, shared = seen.batch.target, seen.batch.weight, seen.batch.shared
        progress = step / self.parts.total_steps
        for runs, terms in self.stack.losses.terms(seen.output, target, weight, shared=shared, progress=progress):
            part = slice(*runs)
            losses: dict[str, Tensor | float] = {"loss": seen.losses[part], **terms}
            self.rows.add(step, epoch, step_row(losses, norm[part], rates[part], speed), *runs)

    @torch.no_grad()
    def _end_epoch(self) -> None:
        step, epoch = self.stack.step, self.epoch - 1
        self._note_divergence(step)
        if self._follows or step == self.parts.total_steps:
            self._validate(step, epoch)
        seen = self.stack.batches.batch_size * (step - epoch * self.parts.steps_per_epoch)
        totals = self.stack.totals.cpu()
        loss, accuracy = (totals[:, :2] / seen).unbind(1)
        row = epoch_row(loss, accuracy if self.classifies else None)
        row |= memorisation_row(totals[:, 2:]) if totals.shape[1] > 2 else {}
        self.rows.add(step, epoch, row, 0, len(self.stack))
        self.stack.totals.zero_()

    def _validate(self, step: int, epoch: int) -> None:
        examples = self.examples["val"]
        outputs = outputs_of(self.stack, examples)
        measured_with = (self.stack.losses, self.yardsticks)
        given: dict[str, Any] = {"task": self.task, "train_counts": self._train_counts}
        for runs, found in measure_runs(*measured_with, outputs, examples.targets, **given):
            row = split_row("val", {name: estimate.value for name, estimate in found.items()})
            self.rows.add(step, epoch, row, runs.start, runs.stop)
            self.best.compare(runs, row, step)
        self.best.keep(self.stack.state, step)

    def evaluations(self, stage: str, weights: Mapping[str, Tensor] | None = None) -> list[Evaluation]:
        """The outputs of each run on a split, on the CPU."""
        examples = self.examples[stage]
        outputs = each_part(lambda part: part.float().cpu(), outputs_of(self.stack, examples, weights))
        found: list[Evaluation] = []
        for k, target in enumerate(examples.each_target()):
            found.append(Evaluation(each_part(itemgetter((k, slice(len(target)))), outputs), target))
        return found

    def tested_beside(self) -> list[Evaluation]:
        """The outputs on the test split with the weights that were not chosen; of trials none."""
        config = self.configs[0]
        if "test" not in config.stages:
            return []
        return self.evaluations("test", None if config.evaluate == "best" else self.best.weights)

    def finite(self) -> list[bool]:
        """Whether each run, its losses and all its weights, stayed finite."""
        good = self.diverged_at < 0
        for tensor in self.stack.state.values():
            good &= tensor.detach().reshape(len(good), -1).isfinite().all(1)
        return good.tolist()

    def divergence(self, k: int) -> str:
        """The reason with which a run that did not stay finite is failed."""
        step = int(self.diverged_at[k])
        if step == 0:
            advice = not_the_learning_rate(self.configs[k].loss.settings)
            return f"the training loss is nan or infinite at the first step, {advice}"
        where = f"step {step}, epoch {step // self.parts.steps_per_epoch}" if step >= 0 else "the last step"
        what = "loss" if step >= 0 else "state (weights, statistics)"
        cure = "try a lower learning rate (optimizer.lr=...)"
        return f"the training {what} became nan or infinite at or before {where}; {cure}"

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on: plain containers and tensors."""
        return {
            "seconds": self.clock.seconds(),  # of all its runs together
            "stack": self.stack.state_dict(),
            "rows": self.rows.state_dict(),
            "best": self.best.state_dict(),
            "totals": self.stack.totals,
            "diverged_at": self.diverged_at,
        }

    def load_state_dict(self, state: Mapping[str, Any], chosen: Sequence[int]) -> None:
        """Go on from a state, with the chosen ones of its runs."""
        index = torch.tensor(list(chosen))
        self.stack.load_state_dict(state["stack"], index)
        self.resumed_at = self.stack.step
        self.rows.load_state_dict(state["rows"], chosen)
        self.best.load_state_dict(state["best"], index)
        self.stack.totals.copy_(state["totals"][index])
        self.diverged_at = state["diverged_at"][index].to(self.device)


def validates_epochs(config: RunConfig) -> bool:
    """Whether every epoch is validated: of a trial, which is judged at its end, where its best weights are wanted."""
    return not config.trial or config.evaluate == "best" or config.keep_checkpoints in ("all", "best")
