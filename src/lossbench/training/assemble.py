"""Configuration -> model, loss, data and task; shared by training, loading and evaluating again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lossbench.config.build import build
from lossbench.config.facts import build_source
from lossbench.config.parse import Node
from lossbench.config.rules import check_task
from lossbench.config.schema import RunConfig
from lossbench.data.augment import Augment
from lossbench.data.embeddings import read_embeddings
from lossbench.data.images.source import ImageSource
from lossbench.data.module import DataModule
from lossbench.data.source import Source
from lossbench.errors import UserError, one_line, suggest
from lossbench.models.heads import ClassEmbeddings
from lossbench.models.members import EachMember
from lossbench.seeds import derive
from lossbench.training.evaluation import Evaluation, Loss, measure, raw
from lossbench.training.features import FeatureSource, features_of
from lossbench.training.task import TrainingTask


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of; the backbone is what turned images into the features that the model sees, if anything did."""

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
    def body(self) -> nn.Module:
        """The model without what the loss adds behind it."""
        model = self.model.model if isinstance(self.model, EachMember) else self.model
        return model[0] if isinstance(model, nn.Sequential) else model


def assemble(config: RunConfig) -> Parts:
    """Build the objects of a run; the same seed gives the same weights whatever the loss."""
    source = build_source(config.data.source)
    data, backbone = build_data(config, source), None
    if config.model.backbone is not None:
        backbone = build_backbone(config.model.backbone, source.input_shape, source.num_classes)
        features = features_of(backbone, data, config.trainer.accelerator)
        data = build_data(config, features)
    seen = data.source
    weight = seen.initial_weight(config.seed)
    model = build_model(config, seen.input_shape, seen.num_outputs, weight)
    if source.members > 1:
        model = EachMember(model)
    loss = build_loss(config.seed, config.loss, data)
    yardsticks = {
        name: build_loss(config.seed, node, data, f"yardsticks.{name}") for name, node in config.yardsticks.items()
    }
    for name, each in {
        f"loss={config.loss.name}": loss,
        **{f"yardsticks.{name}": item for name, item in yardsticks.items()},
    }.items():
        require_task(name, each, config.data.name, source.task)
    measured = [f"val/{name}" for name in try_out(model, loss, yardsticks, data)]
    watched = {f"callbacks.{name}.monitor": node.settings.get("monitor") for name, node in config.callbacks.items()}
    for key, name in {"monitor": config.monitor, **watched}.items():
        if str(name).startswith("val/") and name not in measured:
            raise UserError(f"{key}={name} is not measured; {suggest(name, measured)}")
    steps_per_epoch = data.batches().steps_per_epoch
    epochs, steps = config.trainer.max_epochs, config.trainer.max_steps
    total = min(epochs * steps_per_epoch, steps if steps > 0 else 2**62)
    return Parts(model, loss, yardsticks, source, data, steps_per_epoch, total, backbone)


def build_data(config: RunConfig, source: Source) -> DataModule:
    """Build the data module; features that are computed already are kept in memory and not cropped.

    Raises:
        UserError: the augmentation does not fit the data.
    """
    augment: Augment | None = build(config.augment, "augment") if config.augment else None
    loader = config.data.loader
    if isinstance(source, FeatureSource):
        loader |= {"cache": "none", "num_workers": 0}
    if augment and not isinstance(source, ImageSource):
        for name in ("scale", "flip", "transforms", "erasing"):
            if getattr(augment, name):
                what = "features" if isinstance(source, FeatureSource) else f"data={config.data.name}"
                raise UserError(f"augment.{name} works on images, not on {what}; use augment=none")
    return DataModule(
        source,
        config.seed,
        augment=augment,
        accumulate=config.trainer.accumulate_grad_batches,
        channels_last=config.trainer.channels_last,
        **loader,
    )


def build_backbone(node: Node, input_shape: Sequence[int], num_classes: int) -> nn.Module:
    """Build a frozen feature extractor; without pretrained weights its random ones are the same for every seed.

    Raises:
        UserError: the model has no features.
    """
    offer = {"input_shape": input_shape, "num_classes": num_classes}
    backbone = seeded(0, "backbone", node, "model.backbone", offer)
    if not hasattr(backbone, "features"):
        raise UserError(f"model.backbone={node.name} has no features; use one of resnet18, resnet34, resnet50, timm")
    return backbone.eval().requires_grad_(False)


def build_model(
    config: RunConfig, input_shape: Sequence[int], num_classes: int, weight: np.ndarray | None = None
) -> nn.Module:
    """Build the model, then what the loss adds behind it; each draws its weights from its own generator.

    A head with `num_features`, and class embeddings, set how many numbers the model gives; otherwise they are as many as classes.

    Args:
        config: the resolved configuration.
        input_shape: one example's shape.
        num_classes: C; of other tasks how many numbers the model gives.
        weight: initial weights (C, D) that the data bring, for model.weight=data.
    """
    node, head, seed = config.model.trained, config.head, config.seed
    rows = read_embeddings(Path(config.embeddings.path), num_classes) if config.embeddings else None
    given = (head.settings.get("num_features") if head else None) or num_classes if rows is None else rows.shape[1]
    initial: dict[str, Any] = {}
    if node.settings.get("weight") == "data":
        if weight is None:
            raise UserError(
                f"model.weight=data: data={config.data.name} brings no initial weights; use model.weight=null"
            )
        initial["weight"] = weight
    model = seeded(seed, "model", node, "model", {"input_shape": input_shape, "num_classes": given}, **initial)
    if rows is not None:
        return nn.Sequential(model, ClassEmbeddings(rows))
    if head is None:
        return model
    return nn.Sequential(model, seeded(seed, "head", head, "head", {"num_features": given, "num_classes": num_classes}))


def build_loss(seed: int, node: Node, data: DataModule, where: str = "loss") -> Any:
    """Build a loss; `class_counts: null` becomes the number of training examples of each class.

    Raises:
        UserError: a class to be counted has no training example.
    """
    counted = {}
    if node.settings.get("class_counts", ()) is None:
        counts = np.bincount(data.split("train").targets, minlength=data.source.num_classes)
        if not counts.all():
            missing = data.source.class_names[int(counts.argmin())]
            raise UserError(
                f"{where}.class_counts=null counts the training split, which has no {missing}; give one number > 0 for each class"
            )
        counted = {"class_counts": counts.tolist()}
    return seeded(seed, "loss", node, where, {"num_classes": data.source.num_classes}, **counted)


def seeded(
    seed: int, stream: str, node: Node, where: str, offer: Mapping[str, object] | None = None, **extra: Any
) -> Any:
    """Build a module with random numbers of its own, leaving everybody else's untouched."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(
        derive(seed, stream)
    )  # torch.manual_seed costs 0.9 ms where CUDA is installed but absent
    try:
        return build(node, where, offer=offer, **extra)
    finally:
        torch.set_rng_state(before)


def require_task(name: str, loss: Loss, data: str, task: str) -> None:
    """Refuse a loss that says it is for another task; of a loss in a user's own file it is known only now.

    Raises:
        UserError: names the losses that fit.
    """
    try:
        check_task(name, getattr(loss, "tasks", ("classification",)), data, task)
    except ValueError as error:
        raise UserError(str(error)) from error


def try_out(model: nn.Module, loss: Loss, yardsticks: Mapping[str, Loss], data: DataModule) -> list[str]:
    """Put a few examples through everything, so that what does not fit together is said before training begins.

    Returns:
        The names of what will be measured.

    Raises:
        UserError: a loss refuses the model's output.
    """
    source, members = data.source, (data.source.members,) if data.source.members > 1 else ()
    classifies = source.task == "classification"
    target = torch.from_numpy(data.split("train").targets[: 2 if classifies else 64])
    inputs = torch.ones(len(target), *members, *source.input_shape)
    if data.augment and data.augment.soft:
        name = data.augment.soft[0]
        if not getattr(loss, "soft_targets", False):
            given = getattr(data.augment, name)
            raise UserError(
                f"augment.{name}={given} makes targets of several classes, which this loss does not take; use augment.{name}=0"
            )
        target = nn.functional.one_hot(target, data.source.num_classes).float()
    training = model.training
    model.eval()
    with torch.no_grad():
        output = model(inputs)
        largest = float(raw(model(1e4 * inputs)).abs().max()) if getattr(loss, "takes_cosines", False) else 0.0
    model.train(training)
    if largest > 1.001:
        raise UserError(
            f"the loss takes cosines, and the model gives numbers up to {largest:.3g}; leave out head=... so that the loss brings its own"
        )
    for where, each, given in (
        ("loss", loss, output),
        *((f"yardsticks.{name}", item, raw(output)) for name, item in yardsticks.items()),
    ):
        try:
            each.per_example(given, target)
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{where} does not fit the model's output: {one_line(error)}") from error
    evaluation = Evaluation(output, torch.zeros(len(inputs), dtype=torch.int64) if classifies else target)
    return list(measure(loss, yardsticks, evaluation, task=source.task))


def build_task(config: RunConfig, parts: Parts) -> TrainingTask:
    """Build the LightningModule.

    Raises:
        UserError: the schedule needs a model whose layers come in groups.
    """
    schedule = build(config.scheduler, "scheduler")
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
        log_every_n_steps=config.log_every_n_steps,
        task=parts.source.task,
    )


def layer_groups(model: nn.Module, config: RunConfig) -> list[list[nn.Parameter]]:
    """Give the model's parameters in groups from the stem to the head; what a loss adds behind the model joins the last."""
    body, *added = model if isinstance(model, nn.Sequential) else (model,)
    if not hasattr(body, "layer_groups"):
        raise UserError(
            f"scheduler={config.scheduler.name} needs a model with layer_groups(), which model={config.model.name} lacks"
        )
    groups = body.layer_groups()  # pyright: ignore[reportCallIssue] - asked for above
    return [*groups[:-1], [*groups[-1], *(parameter for module in added for parameter in module.parameters())]]
