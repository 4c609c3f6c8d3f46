"""The one LightningModule: the same step for train, val and test, whatever the model and the loss."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from lossbench.metrics.estimates import Metric
from lossbench.metrics.registry import ONE_CLASS
from lossbench.seeds import step_seed
from lossbench.training.divergence import diverged
from lossbench.training.epoch_sums import EpochSums
from lossbench.training.evaluation import (
    Evaluation,
    Loss,
    Output,
    at_progress,
    fitted_scale,
    headline,
    measure,
    with_intervals,
)
from lossbench.training.groups import drop_frozen_gradients, multiply_gradients, remember_rates, set_rates
from lossbench.training.memorisation import GivenLabels
from lossbench.training.outputs import SplitOutputs
from lossbench.training.rows import StepClock, scalars, split_row, step_row
from lossbench.training.update import UpdateLoss, own_parameters


class Schedule(Protocol):
    """What the task asks of a schedule (lossbench.training.schedules provides them)."""

    def factors(self, step: int, total_steps: int, steps_per_epoch: int, groups: int) -> list[float | None]: ...  # noqa: D102
    def starts_anew(self, step: int, total_steps: int, steps_per_epoch: int) -> bool: ...  # noqa: D102
    def momentum(self, step: int, total_steps: int, steps_per_epoch: int) -> float | None: ...  # noqa: D102


class TrainingTask(LightningModule):
    """Train a model with one loss and measure it with many.

    Args:
        model: maps inputs to logits (batch, C), or to a tuple whose last part they are; for other tasks to what their
            losses take.
        loss: the loss to train with; its own parameters are trained too.
        yardsticks: name -> loss evaluated on the same outputs.
        make_optimizer: parameters, or groups of them -> optimiser.
        schedule: learning rate (and momentum) as functions of the step.
        total_steps: steps of the whole run.
        steps_per_epoch: steps of an epoch.
        seed: the run's seed; everything random in step k depends on (seed, k).
        layer_groups: the parameters from the stem to the head, for schedules that treat them differently;
            None is one group.
        accumulate: parts in which a batch is worked on, one after another.
        loss_lr: learning rate of the loss's own parameters; None is the model's.
        log_every_n_steps: steps between two rows of training metrics.
        task: of the data set: what is measured.
        train_counts: training examples of each class, (C,); None measures nothing by them.
        labels: of the training split, where some were made wrong: how well they are fitted is measured; None where
            none were, or where examples are mixed.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        *,
        make_optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer],
        schedule: Schedule,
        total_steps: int,
        steps_per_epoch: int,
        seed: int,
        yardsticks: Mapping[str, Loss] | None = None,
        layer_groups: list[list[nn.Parameter]] | None = None,
        accumulate: int = 1,
        loss_lr: float | None = None,
        log_every_n_steps: int = 50,
        task: str = "classification",
        train_counts: Tensor | None = None,
        labels: GivenLabels | None = None,
    ) -> None:
        super().__init__()
        self.model, self.loss, self.yardsticks = model, loss, dict(yardsticks or {})
        self._make_optimizer, self._schedule = make_optimizer, schedule
        self._total_steps, self._steps_per_epoch = total_steps, steps_per_epoch
        self._seed, self._every = seed, log_every_n_steps
        self._accumulate, self._layer_groups = accumulate, layer_groups
        self._update_loss, self._loss_lr = UpdateLoss(loss, accumulate), loss_lr
        self._train_counts = train_counts
        self.task, self.classifies = task, task in ONE_CLASS
        self.scale: float | None = None
        self.trained: tuple[int, int] | None = None  # steps and epochs, once training is over
        self.shown: dict[str, float] = {}
        self.results: dict[str, Metric] = {}
        self.evaluations: dict[str, Evaluation] = {}
        self._outputs = SplitOutputs()
        self._losses: dict[str, Tensor] | None = None  # of a step that is logged
        self._update = (torch.zeros(()), 0.0)  # norm of its gradient, learning rate
        self._beside: dict[str, float] | None = None
        self._sums = EpochSums(classifies=self.classifies, labels=labels)
        self._clock = StepClock()

    def forward(self, inputs: Tensor) -> Output:
        """Map inputs to the model's output."""
        return self.model(inputs)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the optimiser; its groups remember the base learning rate that the schedule multiplies."""
        groups = [{"params": group} for group in self._layer_groups or [list(self.model.parameters())]]
        self._model_groups, own = len(groups), own_parameters(self.loss)
        rate = {} if self._loss_lr is None else {"lr": self._loss_lr}
        optimizer = self._make_optimizer([*groups, {"params": own, **rate}] if own else groups)
        remember_rates(optimizer)
        return optimizer

    # -- training

    def on_train_start(self) -> None:
        """Start the clock of steps per second."""
        self._sums.to(self.device)
        self._clock.start(self.global_step)

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch's sums; Lightning does not call this when it resumes inside an epoch."""
        self._sums.reset()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set what depends on the step: the learning rate, momentum and the random numbers of dropout and the like."""
        step = self.global_step
        part = (batch_idx % self._accumulate,) if self._accumulate > 1 else ()
        self._reseed(step_seed(self._seed, step, self.global_rank, *part))
        self._update_loss.loss = at_progress(self.loss, step / self._total_steps)
        place, optimizer = (step, self._total_steps, self._steps_per_epoch), self.trainer.optimizers[0]
        momentum = self._schedule.momentum(*place)
        if self._schedule.starts_anew(*place) and part in ((), (0,)):
            optimizer.state.clear()
        factors = self._schedule.factors(*place, self._model_groups)
        factors += factors[-1:] * (len(optimizer.param_groups) - self._model_groups)  # a loss goes with the head
        set_rates(optimizer, factors, momentum)

    def _reseed(self, seed: int) -> None:
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # torch.manual_seed costs 0.9 ms with CUDA and no GPU
        else:
            torch.manual_seed(seed)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Compute the loss that is minimised, and keep what is logged."""
        output = self.model(batch.inputs)
        loss = self._update_loss.part(output, batch.target, self.trainer.world_size, batch.weight)
        logged = self.global_step % self._every == 0
        with torch.no_grad():
            if logged or loss.device.type == "cpu":
                self._require_finite(loss.item(), "loss")
            self._sums.add(loss.detach(), output, batch)
            if logged:
                terms = self._update_loss.terms(output, batch.target, batch.weight)
                self._note({"loss": loss.detach(), **terms})
        return loss

    def _note(self, values: Mapping[str, Tensor]) -> None:
        """Keep what is logged; the parts of a batch are averaged."""
        before = self._losses or {}
        self._losses = {name: before.get(name, 0.0) + value / self._accumulate for name, value in values.items()}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leave frozen groups as they are; on logged steps measure the gradient (already unscaled, not yet clipped)."""
        drop_frozen_gradients(optimizer)
        self._finish_update(optimizer)
        if self._losses is not None:
            parameters = [*self.model.parameters(), *own_parameters(self.loss)]
            gradients = [p.grad for p in parameters if p.grad is not None]
            rate = optimizer.param_groups[self._model_groups - 1]["lr"]
            self._update = (torch.nn.utils.get_total_norm(gradients), rate)

    def _finish_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the update's loss together from its parts, of all processes where it is logged, and so its gradient."""
        finished = self._update_loss.finish(self._average)
        factor = 1.0
        if finished is not None:
            factor, change = finished
            self._sums.correct(change)
            multiply_gradients(optimizer, factor)
        if self._losses is not None:
            self._losses = {name: self._average(value * factor) for name, value in self._losses.items()}

    def _average(self, value: Tensor) -> Tensor:
        """The mean over all processes."""
        return torch.as_tensor(self.trainer.strategy.reduce(value.clone(), reduce_op="mean"))

    def write_row(self, batch_idx: int) -> None:
        """Write the row of a logged step: its numbers are those before the update."""
        if self._losses is None or (batch_idx + 1) % self._accumulate:
            return
        losses = {name: float(value) for name, value in self._losses.items()}
        self._losses = None
        norm, rate = self._update
        self.shown["loss"] = losses["loss"]
        self._require_finite(self._sums.loss, "loss")
        step = self.global_step - 1
        self._record(step_row(losses, float(norm), float(rate), self._clock.rate(step + 1)), step)

    def on_train_epoch_end(self) -> None:
        """Write the epoch's means over training examples, taken while the weights moved."""
        sums = self._sums_of_ranks().sum(0)
        self._require_finite(sums[0].item(), "loss")
        self._record(self._sums.row(sums), self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the epoch's running sums for the means of a resumed epoch; refuse to save non-finite weights."""
        learned = [*self.model.state_dict().values(), *own_parameters(self.loss)]
        if not all(value.isfinite().all() for value in learned):
            self._require_finite(math.nan, "state (weights, statistics)")
        checkpoint["train_totals"] = self._sums_of_ranks().tolist()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the running sums: those of this process, or all of them where the number of processes has changed."""
        sums = torch.tensor(checkpoint["train_totals"]).view(-1, self._sums.columns)
        same = len(sums) == self.trainer.world_size
        self._sums.load(sums[self.global_rank] if same else sums.sum(0) * (self.global_rank == 0))

    # -- evaluation

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Collect outputs."""
        self._collect(batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Collect outputs."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Measure the validation split."""
        self._measure("val")

    def on_test_epoch_end(self) -> None:
        """Measure the test split."""
        self._measure("test")

    def _collect(self, batch: Any) -> None:
        self._outputs.add(batch.position, batch.target, self.model(batch.inputs))

    def _measure(self, stage: str) -> None:
        final = self.trainer.state.fn != "fit"
        evaluation = self._whole_split(stage)
        loss = self._loss_beside_outputs()
        if self.classifies and final and stage == "val":
            self.scale = fitted_scale(loss, evaluation)
        measured = measure(loss, self.yardsticks, evaluation, self.scale, self.task, self._train_counts)
        values = split_row(stage, {name: estimate.value.item() for name, estimate in measured.items()})
        if self._beside is not None:
            self._beside |= values
            return
        self.log_dict(values, logger=False, sync_dist=self.trainer.world_size > 1)
        shown = headline(measured)
        self.shown[f"{stage} {shown}"] = values[f"{stage}/{shown}"]
        if final:
            self.results |= split_row(stage, with_intervals(measured))
            self.evaluations[stage] = evaluation
        if not final or stage == "test":
            self._record(values, self.global_step if self.trained is None else self.trained[0])

    @contextmanager
    def beside(self) -> Iterator[Mapping[str, float]]:
        """Measure splits beside the results: what is measured is given, and neither kept nor logged."""
        self._beside = found = {}
        try:
            yield found
        finally:
            self._beside = None

    def _loss_beside_outputs(self) -> Loss:
        """The loss on the CPU, where the outputs of a whole split are."""
        if self.device.type == "cpu" or not isinstance(self.loss, nn.Module):
            return self.loss
        loss: Any = copy.deepcopy(self.loss).cpu()
        return loss

    def _whole_split(self, stage: str) -> Evaluation:
        """The outputs of all processes, each example once, in the split's order."""
        gather = self.all_gather if self.trainer.world_size > 1 else None
        loaders = self.trainer.val_dataloaders if stage == "val" else self.trainer.test_dataloaders
        n = len(loaders.dataset)  # pyright: ignore[reportOptionalMemberAccess] - there is one loader while evaluating
        return self._outputs.take(stage, n, gather, class_targets=self.classifies)

    # -- keeping record

    def _record(self, values: dict[str, float], step: int) -> None:
        epoch = self.current_epoch if self.trained is None else self.trained[1]
        for logger in self.loggers:
            logger.log_metrics(scalars(values, epoch), step)

    def _sums_of_ranks(self) -> Tensor:
        """The epoch's sums so far, of each process: (processes, columns)."""
        return torch.as_tensor(self.all_gather(self._sums.state())).view(-1, self._sums.columns)

    def _require_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise diverged(value, what, loss=self.loss, step=self.global_step, epoch=self.current_epoch)
