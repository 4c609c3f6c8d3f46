"""Train the runs of one stack and measure them as a single run is measured."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from lossbench.config.schema import RunConfig
from lossbench.data.source import ONE_CLASS
from lossbench.training.divergence import not_the_learning_rate
from lossbench.training.evaluation import Evaluation, measure_runs, raw
from lossbench.training.memorisation import counted, memorisation_row
from lossbench.training.rows import RunClock, StepClock, epoch_row, split_row, step_row
from lossbench.vectorized.best import BestWeights
from lossbench.vectorized.ended import Ended
from lossbench.vectorized.engine.batches import Batch
from lossbench.vectorized.engine.outputs import each_part, outputs_of
from lossbench.vectorized.engine.stack import Stack, one_of
from lossbench.vectorized.engine.step.choice import COMPILED
from lossbench.vectorized.engine.step.program import Stepped
from lossbench.vectorized.packed import Packer
from lossbench.vectorized.results.rows import StackedRows
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.stopping import early_stops

REPORTED_EVERY = 50  # steps between two calls of after_steps
REPACKED = 0.75  # part of a stack's runs that still train, at or below which they get a stack of their own
REPACKED_COMPILED = 0.25  # the same of a compiled one: to compile again takes seconds, and its steps cost little


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
        first, self.task, runs = configs[0], shared.parts.data.source.task, len(configs)
        self.classifies = self.task in ONE_CLASS
        self._packer = Packer(configs, shared, device, dtype, self._sums)
        self.members, self.replicates = self._packer.members, self._packer.replicates
        self._trains = torch.ones(runs, dtype=torch.bool, device=device)  # of those in the stack, which have not ended
        self.packed = self._packer.pack(torch.arange(runs))
        self.rows, self.every = StackedRows(), first.log_every_n_steps
        self.best = BestWeights(first.monitor, self.stack.evaluated)
        self.ended, self.stops = Ended(runs), early_stops(first, runs)
        self._last: tuple[int, dict[str, Tensor]] | None = None
        self._follows = validates_epochs(first)
        self.diverged_at = torch.full((runs,), -1, device=device)  # at or before this step; -1 is not
        self._clock, self.resumed_at, self.clock = StepClock(), 0, RunClock()

    @property
    def stack(self) -> Stack:
        """The runs that are trained together now."""
        return self.packed.stack

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return -(-self.stack.step // self.parts.steps_per_epoch)

    @property
    def how(self) -> dict[str, Any]:
        """How steps were computed, and why so, as result.json has it."""
        return {"stack_step": {"engine": self.stack.engine, "why": self.stack.why or "its saved state says so"}}

    def steps_of(self, k: int) -> int:
        """Updates that a run has made."""
        return int(self.ended.step[k]) or self.stack.step

    def epochs_of(self, k: int) -> int:
        """Epochs that a run has done."""
        return -(-self.steps_of(k) // self.parts.steps_per_epoch)

    @property
    def run_steps(self) -> int:
        """Updates that all runs together have made."""
        return sum(map(self.steps_of, range(len(self.configs))))

    def has_stopped(self, k: int, step: int) -> bool:
        """Whether early stopping has ended a run after so many updates."""
        return self.stops is not None and bool(self.stops.stopped[k]) and step == self.steps_of(k)

    @property
    def last_weights(self) -> Mapping[str, Tensor]:
        """Parameters and buffers of all runs at their last step: name -> (K, ...)."""
        if not len(self.ended):
            return self.stack.evaluated
        if self._last is None or self._last[0] != self.stack.step:
            self._last = self.stack.step, self.ended.joined(self.stack.evaluated, self.packed.runs)
        return self._last[1]

    def last_at(self, k: int) -> dict[str, Tensor]:
        """The weights of one run at its last step, a copy."""
        return one_of(self.last_weights, k)

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
        while self.stack.step < total and len(self.ended) < len(self.configs):
            self._step()
            step = self.stack.step
            if step % self.parts.steps_per_epoch == 0 or step == total:
                self._end_epoch()
                after_epoch()
            if step % REPORTED_EVERY == 0 or step == total:
                after_steps(step - reported)
                reported = step
            after_step()
        after_steps(self.stack.step - reported)

    def _step(self) -> None:
        step, epoch = self.stack.step, self.stack.step // self.parts.steps_per_epoch
        seen = self.stack.train_step()
        if step % self.every == 0:
            with torch.no_grad():
                self._note_divergence(step)
                self._log(step, epoch, seen)

    def _sums(self, losses: Tensor, output: Any, batch: Batch) -> Tensor:
        """What a step adds to an epoch's sums: losses, hits and fitted labels, (P, columns)."""
        size = batch.target.shape[0 if batch.shared else 1]
        if not self.classifies:
            return torch.stack((losses * size, torch.zeros_like(losses)), dim=1)
        predicted = raw(output).argmax(-1)  # how many examples a run's model ranks first
        target = batch.target.argmax(-1) if batch.target.is_floating_point() else batch.target  # class probabilities
        hits = (predicted == target).sum(-1)
        fits = [] if batch.true is None else counted(predicted, target, batch.true)
        return torch.stack((losses * size, hits, *fits), dim=1)

    def _note_divergence(self, step: int) -> None:
        """Note which runs' losses have stopped being finite: the sum of an epoch's losses keeps it."""
        before = self.diverged_at[self.packed.here]
        new = self._trains & (before < 0) & ~self.stack.totals[:, 0].isfinite()
        self.diverged_at[self.packed.here] = torch.where(new, step, before)

    def _log(self, step: int, epoch: int, seen: Stepped) -> None:
        speed = self._clock.rate(step + 1)
        norm, of_losses = seen.logged()
        place = (step, self.parts.total_steps, self.parts.steps_per_epoch)
        rates = self.packed.rates * self._packer.schedule.factor(*place)
        for runs, terms in of_losses:
            part = slice(*runs)
            losses: dict[str, Tensor | float] = {"loss": seen.losses[part], **terms}
            self.rows.add_of(self.packed.runs, step, epoch, step_row(losses, norm[part], rates[part], speed), part)

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
        self.rows.add_of(self.packed.runs, step, epoch, row)
        self.stack.totals.zero_()
        if step < self.parts.total_steps:
            self._leave(step)

    def _leave(self, step: int) -> None:
        """End the runs that have stopped or are not finite; go on without them where that saves a quarter."""
        runs = self.packed.runs
        leaves = self.diverged_at[self.packed.here].cpu() >= 0
        if self.stops is not None:
            leaves |= self.stops.stopped[runs]
        leaves &= ~self.ended.are[runs]
        if not leaves.any():
            return
        here = leaves.nonzero()[:, 0].to(self.device)
        self.ended.add(runs[leaves], {name: tensor[here] for name, tensor in self.stack.evaluated.items()}, step)
        stay = (~self.ended.are[runs]).nonzero()[:, 0]
        part = REPACKED_COMPILED if self.stack.engine == COMPILED else REPACKED
        if 0 < len(stay) <= part * len(runs):
            self._pack(runs[stay], {**self.stack.state_dict(), "engine": None}, stay)  # it is chosen anew
        self._trains = ~self.ended.are[self.packed.runs].to(self.device)

    def _pack(self, runs: Tensor, state: Mapping[str, Any], index: Tensor) -> None:
        """Go on from the state of a stack with some of its runs.

        Args:
            runs: their places among all, (P,), in order.
            state: of the stack.
            index: their places in it, (P,).
        """
        with torch.enable_grad():  # its layout is that of a gradient
            self.packed = self._packer.pack(runs)
        self.stack.load_state_dict(state, index)

    def _validate(self, step: int, epoch: int) -> None:
        packed, outputs = self.packed, outputs_of(self.stack, self.packed.val)
        measured_with = (self.stack.losses, packed.yardsticks)
        given: dict[str, Any] = {"task": self.task, "train_counts": packed.train_counts}
        for part, found in measure_runs(*measured_with, outputs, packed.val.targets, **given):
            row = split_row("val", {name: estimate.value for name, estimate in found.items()})
            self.rows.add_of(packed.runs, step, epoch, row, part)
            self._compare(packed.runs[part], row, step)
        self.best.keep(packed.runs, self.stack.evaluated, step)

    def _compare(self, runs: Tensor, row: Mapping[str, Tensor], step: int) -> None:
        """Note which of some runs are better than before, and which stop; those that have ended are left out."""
        train = ~self.ended.are[runs]
        mine = {name: value.cpu()[train] for name, value in row.items()}
        self.best.compare(runs[train], mine, step)
        if self.stops is not None:
            self.stops.compare(runs[train], mine)

    def evaluations(self, stage: str, weights: Mapping[str, Tensor] | None = None) -> list[Evaluation]:
        """The outputs of each run on a split, on the CPU."""
        examples = self._packer.examples[stage]
        given = self.last_weights if weights is None else weights
        outputs = each_part(lambda part: part.float().cpu(), outputs_of(self.stack, examples, given))
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
        for tensor in self.last_weights.values():
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
            "runs": self.packed.runs,
            "rows": self.rows.state_dict(),
            "best": self.best.state_dict(),
            "ended": self.ended.state_dict(),
            "stops": None if self.stops is None else self.stops.state_dict(),
            "totals": self.stack.totals,
            "diverged_at": self.diverged_at,
        }

    def load_state_dict(self, state: Mapping[str, Any], chosen: Sequence[int]) -> None:
        """Go on from a state, with the chosen ones of its runs."""
        index = torch.tensor(list(chosen))
        self.rows.load_state_dict(state["rows"], chosen)
        self.best.load_state_dict(state["best"], index)
        self.ended.load_state_dict(state["ended"], chosen, self.device)
        if self.stops is not None:
            self.stops.load_state_dict(state["stops"], index)
        self.diverged_at = state["diverged_at"][index].to(self.device)
        self._load_stack(state, chosen)
        self.resumed_at = self.stack.step

    def _load_stack(self, state: Mapping[str, Any], chosen: Sequence[int]) -> None:
        """Make the stack that was saved, of those of its runs that are chosen."""
        place = {run: p for p, run in enumerate(state["runs"].tolist())}
        runs = torch.tensor([k for k, run in enumerate(chosen) if run in place], dtype=torch.int64)
        if not len(runs):  # all have ended
            self.stack.step = state["stack"]["step"]
            return
        index = torch.tensor([place[chosen[k]] for k in runs.tolist()])
        if len(runs) < len(chosen):
            self._pack(runs, state["stack"], index)
        else:
            self.stack.load_state_dict(state["stack"], index)
        self.stack.totals.copy_(state["totals"][index])
        self._trains = ~self.ended.are[runs].to(self.device)


def validates_epochs(config: RunConfig) -> bool:
    """Whether every epoch is validated: of a trial, judged at its end, where its best weights or its end ask for it."""
    if not config.trial or any(node.class_name == "EarlyStopping" for node in config.callbacks.values()):
        return True
    return config.evaluate == "best" or config.keep_checkpoints in ("all", "best")
