"""Configuration -> model, loss, data and task; shared by training, loading and evaluating again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lossbench.config.build import build
from lossbench.config.data_fit import monitored
from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.config.sections import Features
from lossbench.data.augment import Augment
from lossbench.data.module import DataModule
from lossbench.data.source import Source
from lossbench.errors import UserError, suggest
from lossbench.models.members import EachMember
from lossbench.training.evaluation import Loss
from lossbench.training.features.source import FeatureSource, features_of
from lossbench.training.memorisation import GivenLabels
from lossbench.training.modules import build_backbone, build_loss, build_model
from lossbench.training.schedules import Schedule
from lossbench.training.task import TrainingTask
from lossbench.training.try_out import few_examples, require_task, try_losses, try_model
from lossbench.training.update import own_parameters, require_weighable


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of; a backbone has turned the images into the features that the model sees."""

    model: nn.Module
    loss: Loss
    yardsticks: dict[str, Loss]
    source: Source
    data: DataModule
    steps_per_epoch: int
    total_steps: int
    backbone: nn.Module | None = None

    @property
    def weights_sha256(self) -> str | None:
        """The hash of the pretrained weights that the model, or its backbone, started from."""
        return getattr(self.backbone or self.body, "weights_sha256", None)

    @property
    def train_counts(self) -> Tensor | None:
        """The training examples of each class, (C,), where they are uneven."""
        counts = self.source.uneven_counts()
        return None if counts is None else torch.tensor(counts)

    @property
    def body(self) -> nn.Module:
        """The model without what the loss adds behind it."""
        model = self.model.model if isinstance(self.model, EachMember) else self.model
        return model[0] if type(model) is nn.Sequential else model  # a class of its own is a body


FeaturesOf = Callable[[nn.Module, DataModule, str, Features], FeatureSource]
"""Features in place of images: of a backbone, the images, the accelerator, and how they are computed."""


def assemble(config: RunConfig, features: FeaturesOf = features_of, source: Source | None = None) -> Parts:
    """Build the objects of a run; the same seed gives the same weights whatever the loss.

    Args:
        config: parsed.
        features: gives those of a backbone.
        source: the data, where they are built already.

    Raises:
        UserError: a part does not fit the others.
    """
    source = source or build_source(config.data.source)
    data, backbone = _data_of(config, source, features)
    model = model_of(config, data.source)
    loss, yardsticks = losses_of(config, data)
    cosines = bool(getattr(loss, "takes_cosines", False))
    tried = try_model(model, data.source, *few_examples(data), find_bound=cosines)
    require_measured(config, try_losses(loss, yardsticks, tried, data, source.uneven_counts()))
    steps_per_epoch = data.batches().steps_per_epoch
    total = _total_steps(config, steps_per_epoch)
    return Parts(model, loss, yardsticks, source, data, steps_per_epoch, total, backbone)


def model_of(config: RunConfig, source: Source, input_shape: Sequence[int] | None = None) -> nn.Module:
    """Build the model with what the loss adds behind it; of pairs and triplets it sees one member at a time.

    Args:
        config: parsed.
        source: the data.
        input_shape: of one example, where it is not that of the data.
    """
    shape, weight = input_shape or source.input_shape, source.initial_weight(config.seed)
    model = build_model(config, shape, source.num_outputs, weight)
    return EachMember(model) if source.members > 1 else model


def losses_of(config: RunConfig, data: DataModule) -> tuple[Loss, dict[str, Loss]]:
    """Build the loss and the yardsticks.

    Raises:
        UserError: one of them is for another task.
    """
    task, name = data.source.task, config.data.name
    loss = build_loss(config.seed, config.loss, data)
    require_task(f"loss={config.loss.name}", loss, name, task)
    if data.split("train").weights is not None:
        require_weighable(config.loss.name, loss)
    yardsticks: dict[str, Loss] = {}
    for key, node in config.yardsticks.items():
        yardsticks[key] = build_loss(config.seed, node, data, f"yardsticks.{key}")
        require_task(f"yardsticks.{key}", yardsticks[key], name, task)
    return loss, yardsticks


def _data_of(config: RunConfig, source: Source, features: FeaturesOf) -> tuple[DataModule, nn.Module | None]:
    """The data that the model sees, and the backbone that has computed them from images."""
    data = build_data(config, source)
    if config.model.backbone is None:
        return data, None
    backbone = build_backbone(config.model.backbone, source.input_shape, source.num_classes)
    return build_data(config, features(backbone, data, config.trainer.accelerator, config.features)), backbone


def require_measured(config: RunConfig, measured: Sequence[str]) -> None:
    """Refuse to monitor what is not measured.

    Raises:
        UserError: names the key and what is measured.
    """
    names = [f"val/{name}" for name in measured]
    for key, name in monitored(config):
        if name not in names:
            raise UserError(f"{key}={name} is not measured; {suggest(name, names)}")


def _total_steps(config: RunConfig, steps_per_epoch: int) -> int:
    whole, limit = config.trainer.max_epochs * steps_per_epoch, config.trainer.max_steps
    return min(whole, limit) if limit > 0 else whole


def build_data(config: RunConfig, source: Source, cache: str | None = None) -> DataModule:
    """Build the data module; features that are computed already are kept in memory and not cropped.

    Args:
        config: parsed.
        source: the data set.
        cache: in place of the configuration's.
    """
    augment: Augment | None = build(config.augment, "augment") if config.augment else None
    loader = config.data.loader if cache is None else {**config.data.loader, "cache": cache}
    if isinstance(source, FeatureSource):
        loader |= {"cache": "none", "num_workers": 0}
    return DataModule(
        source,
        config.seed,
        augment=augment,
        accumulate=config.trainer.accumulate_grad_batches,
        channels_last=config.trainer.channels_last,
        tested=not config.trial,
        **loader,
    )


def build_task(config: RunConfig, parts: Parts) -> TrainingTask:
    """Build the LightningModule.

    Raises:
        UserError: the schedule needs a model whose layers come in groups, or loss_lr a loss with parameters.
    """
    schedule = build_schedule(config)
    if config.loss_lr is not None and not own_parameters(parts.loss):
        raise UserError(
            f"loss_lr={config.loss_lr} is the learning rate of a loss's own parameters, and loss={config.loss.name} "
            "has none; use loss_lr=null"
        )
    return TrainingTask(
        parts.model,
        parts.loss,
        yardsticks=parts.yardsticks,
        make_optimizer=build(config.optimizer, "optimizer", partial=True),
        schedule=schedule,
        total_steps=parts.total_steps,
        steps_per_epoch=parts.steps_per_epoch,
        seed=config.seed,
        layer_groups=layer_groups(parts.model, config) if schedule.layered else None,
        accumulate=config.trainer.accumulate_grad_batches,
        loss_lr=config.loss_lr,
        log_every_n_steps=config.log_every_n_steps,
        task=parts.source.task,
        labels=_labels_of(config, parts.data),
        train_counts=parts.train_counts,
    )


def _labels_of(config: RunConfig, data: DataModule) -> GivenLabels | None:
    """The training labels where some were made wrong; None where none were, or where examples are mixed."""
    split, augment = data.split("train"), config.augment.settings if config.augment else {}
    if split.true_targets is None or augment.get("mixup") or augment.get("cutmix"):
        return None
    return GivenLabels(torch.from_numpy(split.targets), torch.from_numpy(split.true_targets))


def build_schedule(config: RunConfig) -> Schedule:
    """Build the schedule.

    Raises:
        UserError: it refuses its settings, or is no schedule of lossbench.
    """
    schedule: object = build(config.scheduler, "scheduler")
    if not isinstance(schedule, Schedule):
        raise UserError(
            f"scheduler._target_={config.scheduler.target} is no schedule of lossbench.training.schedules, which are "
            "functions of the step; choose one with scheduler=NAME"
        )
    return schedule


def layer_groups(model: nn.Module, config: RunConfig) -> list[list[nn.Parameter]]:
    """Give the parameters in groups from the stem to the head; what a loss adds behind the model joins the last."""
    body, *added = model if type(model) is nn.Sequential else (model,)
    if not hasattr(body, "layer_groups"):
        raise UserError(
            f"scheduler={config.scheduler.name} needs a model with layer_groups(), "
            f"which model={config.model.name} lacks"
        )
    groups = body.layer_groups()  # pyright: ignore[reportCallIssue] - asked for above
    return [*groups[:-1], [*groups[-1], *(parameter for module in added for parameter in module.parameters())]]
