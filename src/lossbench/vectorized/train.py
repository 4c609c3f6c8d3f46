"""Train the runs of one stack and measure them as a single run is measured."""

import time
from collections.abc import Callable, Mapping, Sequence
from signal import Signals
from typing import Any

import torch
from torch import Tensor, nn

from lossbench.config.build import build
from lossbench.config.schema import RunConfig
from lossbench.data.order import TrainBatches
from lossbench.metrics.units import unit_of
from lossbench.training.assemble import Parts
from lossbench.training.evaluation import Evaluation, measure_runs, raw
from lossbench.training.modules import build_loss, build_model
from lossbench.vectorized.engine.stack import Batches, Member, Stack, Stepped, one_of
from lossbench.vectorized.rows import Rows

EVALUATED_AT_ONCE = 256  # examples, as a single run evaluates them


class StackedRuns:
    """Runs that are trained together, and what has been measured of them so far.

    Args:
        configs: of the runs, all of one group, those of one kind of loss side by side (`in_order`).
        parts: what they share, assembled from one of them: data, yardsticks, steps.
        device: where they are trained.
        dtype: of the parameters; runs are float32.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        parts: Parts,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.configs, self.parts, self.device = configs, parts, device
        first, data = configs[0], parts.data
        train = data.split("train")
        self.inputs = {
            stage: torch.from_numpy(data.split(stage).inputs).to(device, dtype) for stage in ("train", "val", "test")
        }
        self.targets = {
            stage: torch.from_numpy(data.split(stage).targets).to(device) for stage in ("train", "val", "test")
        }
        orders = [
            TrainBatches(len(train), data.batch_size, config.seed, steps_per_epoch=data.steps_per_epoch)
            for config in configs
        ]
        models: dict[int, nn.Module] = {}
        self.members = [_member(config, parts, models, device, dtype) for config in configs]
        self._rates = torch.tensor([member.optimizer["lr"] for member in self.members], dtype=torch.float64)
        self.schedule = build(first.scheduler, "scheduler")
        batches = Batches(self.inputs["train"], self.targets["train"], orders)
        optimizer = first.optimizer.target
        self.stack = Stack(self.members, optimizer, batches, self.schedule, parts.total_steps, parts.steps_per_epoch)
        self.rows, self.every = Rows(), first.log_every_n_steps
        self.monitor = first.monitor
        self.sign = 1.0 if unit_of(self.monitor).higher_is_better else -1.0
        self.best = torch.full((len(configs),), -torch.inf, dtype=torch.float64)
        self.best_step = torch.zeros(len(configs), dtype=torch.int64)
        self.best_weights = {name: tensor.detach().clone() for name, tensor in self._weights().items()}
        self._totals = torch.zeros(len(configs), 2, dtype=torch.float64, device=device)
        self.spoilt = torch.full(
            (len(configs),), -1, device=device
        )  # at or before which step a run's loss stopped being finite
        self._clock, self.resumed_at = (0.0, 0), 0
        self.interrupted: Signals | None = None  # by which signal

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return -(-self.stack.step // self.parts.steps_per_epoch)

    def train(self, after_epoch: Callable[[], None], after_steps: Callable[[int], None]) -> None:
        """Train to the end.

        Args:
            after_epoch: is called after every epoch is measured, e.g. to save.
            after_steps: is told how many steps have been made since it was told last.

        Raises:
            KeyboardInterrupt: `interrupted` was set; the state is that between two steps.
        """
        self._clock = (time.perf_counter(), self.stack.step)
        told = self.stack.step
        while self.stack.step < self.parts.total_steps:
            self._step()
            if self.stack.step % self.parts.steps_per_epoch == 0 or self.stack.step == self.parts.total_steps:
                self._end_epoch()
                after_epoch()
            if self.stack.step % 50 == 0 or self.stack.step == self.parts.total_steps:
                after_steps(self.stack.step - told)
                told = self.stack.step
            if self.interrupted is not None:
                raise KeyboardInterrupt

    def _step(self) -> None:
        step, epoch = self.stack.step, self.stack.step // self.parts.steps_per_epoch
        seen = self.stack.train_step()
        with torch.no_grad():
            hits = (raw(seen.output).argmax(-1) == seen.target).sum(-1)
            self._totals += torch.stack((seen.losses * seen.target.shape[-1], hits), dim=1)
            if step % self.every == 0:
                self._notice(step)
                self._log(step, epoch, seen)

    def _notice(self, step: int) -> None:
        """Note which runs' losses have stopped being finite: the sum of an epoch's losses keeps it."""
        self.spoilt = torch.where((self.spoilt < 0) & ~self._totals[:, 0].isfinite(), step, self.spoilt)

    def _log(self, step: int, epoch: int, seen: Stepped) -> None:
        (since, first), now = self._clock, time.perf_counter()
        speed, self._clock = (step + 1 - first) / max(now - since, 1e-9), (now, step + 1)
        norm = torch.stack([gradient.flatten(1).square().sum(1) for gradient in seen.gradients]).sum(0).sqrt()
        factor = self.schedule.factor(step, self.parts.total_steps, self.parts.steps_per_epoch)
        rates = self._rates * factor
        for (start, stop), terms in self.stack.losses.terms(seen.output, seen.target, seen.shared):
            part = slice(start, stop)
            values: dict[str, Tensor | float] = {"train/loss": seen.losses[part]}
            values |= {f"train/{name}": value for name, value in terms.items()}
            values |= {
                "train/gradient_norm": norm[part],
                "train/learning_rate": rates[part],
                "train/steps_per_second": speed,
            }
            self.rows.add(step, epoch, values, start, stop)

    @torch.no_grad()
    def _end_epoch(self) -> None:
        step, epoch = self.stack.step, self.epoch - 1
        self._notice(step)
        measured = measure_runs(self.stack.losses, self.parts.yardsticks, self.outputs("val"), self.targets["val"])
        for runs, found in measured:
            values = {f"val/{name}": estimate.value for name, estimate in found.items()}
            self.rows.add(step, epoch, values, runs.start, runs.stop)
            monitored = self.sign * values[self.monitor].double().cpu()
            better = monitored > self.best[runs]
            self.best[runs] = torch.where(better, monitored, self.best[runs])
            self.best_step[runs] = torch.where(better, step, self.best_step[runs])
        now_best = (self.best_step == step).to(self.device)
        for name, tensor in self._weights().items():
            mask = now_best.view(-1, *[1] * (tensor.ndim - 1))
            self.best_weights[name] = torch.where(mask, tensor.detach(), self.best_weights[name])
        seen = self.stack.batches.batch_size * (step - epoch * self.parts.steps_per_epoch)
        totals = self._totals.cpu() / seen
        self.rows.add(
            step, epoch, {"train/epoch_loss": totals[:, 0], "train/epoch_accuracy": totals[:, 1]}, 0, len(self.stack)
        )
        self._totals.zero_()

    def outputs(self, stage: str, weights: Mapping[str, Tensor] | None = None) -> Any:
        """What the models say about a split: (K, n, C), or a tuple of such."""
        parts = [self.stack.evaluate(block, weights) for block in self.inputs[stage].split(EVALUATED_AT_ONCE)]
        if isinstance(parts[0], Tensor):
            return torch.cat(parts, dim=1)
        return type(parts[0])(*(torch.cat(column, dim=1) for column in zip(*parts, strict=True)))

    def evaluations(self, stage: str, weights: Mapping[str, Tensor] | None = None) -> list[Evaluation]:
        """The outputs of each run on a split, on the CPU."""
        outputs, target = self.outputs(stage, weights), self.targets[stage].cpu()
        if isinstance(outputs, Tensor):
            return [Evaluation(output, target) for output in outputs.float().cpu()]
        columns = [column.float().cpu() for column in outputs]
        return [Evaluation(type(outputs)(*(column[k] for column in columns)), target) for k in range(len(self.stack))]

    def finite(self) -> list[bool]:
        """Whether each run, its losses and all its weights, stayed finite."""
        good = self.spoilt < 0
        for tensor in self._weights().values():
            good &= tensor.detach().reshape(len(good), -1).isfinite().all(1)
        return good.tolist()

    def spoilt_reason(self, k: int) -> str:
        """What a run that did not stay finite is failed with."""
        step = int(self.spoilt[k])
        where = f"step {step}, epoch {step // self.parts.steps_per_epoch}" if step >= 0 else "the last step"
        return (
            f"the training {'loss' if step >= 0 else 'state (weights, statistics)'} became nan or infinite at or before {where}; "
            "try a lower learning rate (optimizer.lr=...)"
        )

    def weights_at_best(self, k: int) -> dict[str, Tensor]:
        """The state of one run's model when its validation was best, a copy."""
        return one_of(self.best_weights, k)

    def _weights(self) -> dict[str, Tensor]:
        return {**self.stack.parameters, **self.stack.buffers}

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on: plain containers and tensors."""
        kept = {
            "best": self.best,
            "best_step": self.best_step,
            "totals": self._totals,
            "spoilt": self.spoilt,
            "best_weights": self.best_weights,
        }
        return {"stack": self.stack.state_dict(), "rows": self.rows.state_dict(), **kept}

    def load_state_dict(self, state: Mapping[str, Any], chosen: Sequence[int]) -> None:
        """Go on from a state, with the chosen ones of its runs."""
        index = torch.tensor(list(chosen))
        self.stack.load_state_dict(state["stack"], index)
        self.resumed_at = self.stack.step
        self.rows.load_state_dict(state["rows"], chosen)
        self.best, self.best_step = state["best"][index], state["best_step"][index]
        self._totals, self.spoilt = state["totals"][index].to(self.device), state["spoilt"][index].to(self.device)
        self.best_weights = {name: tensor[index].to(self.device) for name, tensor in state["best_weights"].items()}


def in_order(configs: Sequence[RunConfig]) -> list[int]:
    """The order in which runs of one kind of loss, which differ in its numbers alone, are neighbours: indices into `configs`."""

    def kind(k: int) -> str:
        return repr(
            sorted((name, value) for name, value in configs[k].loss.record.items() if isinstance(value, str | bool))
        )

    return sorted(range(len(configs)), key=kind)


def _member(
    config: RunConfig, parts: Parts, models: dict[int, nn.Module], device: torch.device, dtype: torch.dtype
) -> Member:
    """Build a run's loss, and its model where no other run with that seed has: the same seed gives the same weights."""
    seed, source = config.seed, parts.data.source
    if seed not in models:
        models[seed] = build_model(config, source.input_shape, source.num_classes, source.initial_weight(seed)).to(
            device, dtype
        )
    loss = build_loss(seed, config.loss, parts.data)
    return Member(models[seed], loss.to(device), seed, config.optimizer.settings)
