"""Whether a configuration fits its data set: the task, the kind of inputs, the number of classes. Torch-free."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from lossbench.config.class_weights import KEY, check_weight_names, check_weight_task
from lossbench.config.parse import Node
from lossbench.config.plain import is_sequence
from lossbench.config.rules import ONE_CLASS, SEVERAL_TERMS, check_task, tasks_of
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, suggest
from lossbench.metrics.registry import METRICS

OF_IMAGES = ("scale", "flip", "transforms", "erasing")
"""Settings of augment that work on images alone."""
SMALLEST = 8
"""Height and width that model=convnet takes, pixels."""
MIXING = ("mixup", "cutmix", "label_smoothing")
PER_CLASS = ("weight", "class_counts", "matrix")
"""Hyper-parameters of losses with one number, or a row, for each class."""
OWN = "lossbench.losses"
COUNTERS = ("epoch", "step")
"""What ModelCheckpoint can monitor besides metrics."""


@dataclass(frozen=True)
class DataKind:
    """What a data set is, before its examples are read.

    Args:
        task: such as "classification".
        images: whether its inputs are images, which are cropped and augmented.
        changed: the setting that changes it, such as label_noise; "" where nothing is changed.
    """

    task: str
    images: bool
    changed: str = ""


@dataclass(frozen=True)
class DataShape:
    """The shape of a data set's examples.

    Args:
        input_shape: of one example.
        num_classes: C, of classes or labels; 0 of tasks without them.
        class_names: of the classes or labels, (C,).
    """

    input_shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...] = ()


def check_kind(config: RunConfig, kind: DataKind) -> None:
    """Check that the losses and the other settings are for data of this kind.

    Raises:
        UserError: one line that names the key and what fits.
    """
    _check_tasks(config, kind.task)
    if kind.changed and kind.task not in ONE_CLASS:
        raise UserError(
            f"data.{kind.changed} changes the labels or the sizes of classes, and the task of data={config.data.name} "
            f"is {kind.task}; leave it out"
        )
    _check_sampler(config, kind.task)
    if config.model.backbone is not None and not kind.images:
        raise UserError(
            f"model={config.model.name} learns on features of images, and data={config.data.name} holds none; "
            "use model=mlp or model=linear, without features="
        )
    _check_augment(config, kind)
    _check_monitors(config, kind.task)
    if kind.task in ONE_CLASS:
        if "nll" in config.yardsticks:
            raise UserError(
                "yardsticks.nll has the name of a metric that is measured anyway; "
                "use cross_entropy, which is the same loss"
            )
    elif config.figures is True:
        raise UserError(
            f"figures=true draws pictures of classifiers, and the task of data={config.data.name} is {kind.task}; "
            "use figures=auto"
        )


def check_shape(config: RunConfig, shape: DataShape) -> None:
    """Check what the data's shape and number of classes decide.

    Raises:
        UserError: one line that names the key, what was found and what the data need.
    """
    if shape.num_classes:
        for where, loss in _losses(config):
            _check_per_class(where, loss, shape.num_classes, config.data.name)
            check_weight_names(where, loss.settings.get(KEY), shape.class_names, config.data.name)
    augment = config.augment
    flat = len(shape.input_shape) < 2 or config.model.backbone is not None
    if augment and augment.settings.get("cutmix") and flat:
        what = "features" if config.model.backbone is not None else f"inputs of shape {shape.input_shape}"
        raise UserError(f"augment.cutmix pastes rectangles of images, and the model sees {what}; use augment.mixup")
    _check_initial_weight(config, shape)
    _check_small_images(config, shape)
    if config.model.backbone is None:
        _check_given_shape(config, shape)


def _check_given_shape(config: RunConfig, shape: DataShape) -> None:
    """Refuse a shape that is typed for the model and is not that of the data: it would win over what the data offer."""
    of_data = f"data={config.data.name} has"
    _check_given(config, "input_shape", [*shape.input_shape], of_data)
    if config.embeddings is not None:  # the model gives as many numbers as a row of theirs has
        return
    width = config.head.settings.get("num_features") if config.head else None
    _check_given(config, "num_classes", width or shape.num_classes, "head.num_features is" if width else of_data)


def _check_given(config: RunConfig, name: str, wanted: object, source: str) -> None:
    if wanted and (given := config.model.settings.get(name)) not in (None, wanted):
        raise UserError(f"model.{name}={given}, but {source} {wanted}; leave it out")


def _check_tasks(config: RunConfig, task: str) -> None:
    for where, loss in _losses(config):
        check_weight_task(where, loss.settings.get(KEY), task, config.data.name)
        if not loss.target.startswith(OWN):  # what others are for is asked when they are built
            continue
        named = f"loss={loss.name}" if where == "loss" else where
        try:
            check_task(named, tasks_of(loss.class_name), config.data.name, task)
        except ValueError as error:
            raise UserError(str(error)) from error


def _check_sampler(config: RunConfig, task: str) -> None:
    if config.data.sampler is not None and task not in ONE_CLASS:
        raise UserError(
            f"data.sampler={config.data.sampler} draws each class equally often, and the task of data="
            f"{config.data.name} is {task}; use data.sampler=null"
        )


def _losses(config: RunConfig) -> Iterator[tuple[str, Node]]:
    yield "loss", config.loss
    for name, loss in config.yardsticks.items():
        yield f"yardsticks.{name}", loss


def _check_augment(config: RunConfig, kind: DataKind) -> None:
    settings: Mapping[str, Any] = config.augment.settings if config.augment else {}
    data = config.data.name
    for name in MIXING:
        if settings.get(name) and kind.task not in ONE_CLASS:
            raise UserError(
                f"augment.{name} mixes classes, and the task of data={data} is {kind.task}; use augment=none"
            )
    features = config.model.backbone is not None
    for name in OF_IMAGES:
        if settings.get(name) and (features or not kind.images):
            what = "features" if features else f"data={data}"
            raise UserError(f"augment.{name} works on images, not on {what}; use augment=none")


def _check_monitors(config: RunConfig, task: str) -> None:
    """Refuse to monitor what no run measures; which metrics a loss of several terms adds is seen when it is tried."""
    for key, name in monitored(config):
        if not re.fullmatch(r"val/\w+", name) or not may_measure(config, task, name.removeprefix("val/")):
            names = (f"val/{each}" for each in measured(config, task))
            raise UserError(f"{key}={name} is not measured; {suggest(name, names)}")


def measured(config: RunConfig, task: str) -> set[str]:
    """The metrics of a run on data of a task, without val/ or test/ and without those that a loss adds."""
    return {"loss", *config.yardsticks, *(name for name, metric in METRICS.items() if task in metric.tasks)}


def may_measure(config: RunConfig, task: str, name: str) -> bool:
    """Whether a run measures a metric, or may: a loss of several terms adds metrics of its own."""
    adds_terms = config.loss.class_name in SEVERAL_TERMS or not config.loss.target.startswith(OWN)
    return adds_terms or name in measured(config, task)


def monitored(config: RunConfig) -> list[tuple[str, str]]:
    """The keys that name a metric, and the metrics, which are measured after each epoch."""
    found = [("monitor", config.monitor)]
    for name, node in config.callbacks.items():
        given = node.settings.get("monitor")
        if node.class_name == "EarlyStopping" or (given and given not in COUNTERS and _is_lightnings(node, given)):
            found.append((f"callbacks.{name}.monitor", "null" if given is None else str(given)))
    return found


def _is_lightnings(node: Node, monitor: object) -> bool:
    """Whether a callback's `monitor` is a metric: that of another library's class is, where it looks like one."""
    return node.target.startswith("pytorch_lightning.") or str(monitor).startswith("val/")


def _check_per_class(where: str, loss: Node, classes: int, data: str) -> None:
    if not loss.target.startswith(OWN):
        return
    for name in PER_CLASS:
        given = loss.settings.get(name)
        if is_sequence(given) and len(given) != classes:
            what = "row" if name == "matrix" else "number"
            raise UserError(
                f"{where}.{name} has {len(given)} {what}s, and data={data} has {classes} classes; "
                f"give one {what} for each class"
            )


def _check_small_images(config: RunConfig, shape: DataShape) -> None:
    """Refuse what model=convnet cannot halve three times."""
    if config.model.class_name != "ConvNet" or config.model.backbone is not None:
        return
    if len(shape.input_shape) != 3 or min(shape.input_shape[1:]) < SMALLEST:
        raise UserError(
            f"model={config.model.name} takes images of at least {SMALLEST} x {SMALLEST} pixels, and data="
            f"{config.data.name} has inputs of shape {shape.input_shape}; use model=mlp or model=linear"
        )


def _check_initial_weight(config: RunConfig, shape: DataShape) -> None:
    given = config.model.settings.get("weight")
    if config.model.class_name != "Linear" or not is_sequence(given) or not shape.num_classes or config.model.backbone:
        return
    wanted = (shape.num_classes, prod(shape.input_shape))
    found = (len(given), *sorted({len(row) for row in given if is_sequence(row)}))
    if config.head is None and config.embeddings is None and found != wanted:
        raise UserError(f"model.weight must have shape {wanted}, one row for each class, got {found}; or use null")
