"""Whether the parts of a configuration fit together. Torch-free."""

from collections.abc import Mapping
from typing import Any

from lossbench.config.custom import is_custom
from lossbench.config.parse import Node
from lossbench.config.rules import RegionError, check_loss, check_task, tasks_of
from lossbench.config.schema import RunConfig
from lossbench.config.values import directory_name
from lossbench.errors import UserError

# Models that take colour images, and whose layers come in groups; and those of one group.
DEEP = ("lossbench.models.resnet.", "lossbench.models.timm.")
FLAT = ("lossbench.models.linear.", "lossbench.models.mlp.")


def check_together(config: RunConfig) -> None:
    """Check what no setting can say alone.

    Raises:
        UserError: one line that names the keys and what to do.
    """
    try:
        for group, node in (("data", config.data.source), ("model", config.model), ("loss", config.loss)):
            directory_name(f"{group}.name", node.record.get("name"))
        _check_model(config)
        _check_batches(config)
        _check_devices(config)
        settings = config.optimizer.settings
        if settings.get("nesterov") and not settings.get("momentum"):
            raise ValueError("optimizer.nesterov=true needs optimizer.momentum > 0, got 0")
    except ValueError as error:
        raise UserError(str(error)) from error


def check_losses(config: RunConfig) -> str | None:
    """Check the hyper-parameters of the loss and the yardsticks, before torch is imported.

    Returns:
        Why the loss is not defined for its hyper-parameters, each of which is allowed alone; None where it is defined.

    Raises:
        UserError: a value is not allowed.
    """
    try:
        for name, loss in config.yardsticks.items():
            _check_loss(f"yardsticks.{name}", loss)
        _check_loss("loss", config.loss)
    except _OutsideRegionError as error:
        if error.where == "loss":
            return str(error)
        raise UserError(str(error)) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    return None


class _OutsideRegionError(ValueError):
    def __init__(self, where: str, reason: RegionError) -> None:
        super().__init__(f"{where}.{reason}")
        self.where = where


def _check_loss(where: str, loss: Node) -> None:
    try:
        check_loss(loss.class_name, loss.settings)
    except RegionError as error:
        raise _OutsideRegionError(where, error) from error
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from error


def check_fit(config: RunConfig, task: str) -> None:
    """Check that the losses and the other settings are for the task of the data.

    Args:
        config: parsed.
        task: of the data set, such as "regression".

    Raises:
        UserError: one line that names the key and what fits.
    """
    _check_tasks(config, task)
    if task == "classification":
        if "nll" in config.yardsticks:
            raise UserError(
                "yardsticks.nll has the name of a metric that is measured anyway; "
                "use cross_entropy, which is the same loss"
            )
        return
    data = config.data.name
    augment: Mapping[str, Any] = config.augment.settings if config.augment else {}
    for name in ("mixup", "cutmix", "label_smoothing"):
        if augment.get(name):
            raise UserError(f"augment.{name} mixes classes, and the task of data={data} is {task}; use augment=none")
    if config.figures is True:
        raise UserError(
            f"figures=true draws pictures of classifiers, and the task of data={data} is {task}; use figures=auto"
        )


def _check_tasks(config: RunConfig, task: str) -> None:
    named: Mapping[str, Node] = {
        f"loss={config.loss.name}": config.loss,
        **{f"yardsticks.{name}": loss for name, loss in config.yardsticks.items()},
    }
    for where, loss in named.items():
        if not loss.target.startswith("lossbench.losses"):  # what others are for is asked when they are built
            continue
        try:
            check_task(where, tasks_of(loss.class_name), config.data.name, task)
        except ValueError as error:
            raise UserError(str(error)) from error


def _check_model(config: RunConfig) -> None:
    data, model = config.data, config.model
    targets = [model.target, *([model.backbone.target] if model.backbone else [])]
    flat = "image_size" not in data.source.settings and not is_custom(data.source.record)
    if flat and any(target.startswith(DEEP) for target in targets):
        raise ValueError(
            f"model={model.name} takes colour images, and data={data.name} has none; use model=mlp or model=linear"
        )
    finetune = config.scheduler.target == "lossbench.training.schedules.Finetune"
    if finetune and model.target.startswith(FLAT):
        raise ValueError(
            f"scheduler=finetune needs a model with groups of layers, model={model.name} has none; "
            "use resnet18, 34, 50 or timm"
        )


def _check_batches(config: RunConfig) -> None:
    trainer, batch = config.trainer, config.data.batch_size
    processes = trainer.processes
    if batch % processes:
        raise ValueError(
            f"data.batch_size={batch} counts examples over all {processes} processes "
            f"and must be a multiple of {processes}"
        )
    parts = trainer.accumulate_grad_batches * processes
    if batch % parts:
        raise ValueError(
            f"data.batch_size={batch} counts the examples of a whole update and must be a multiple of {parts} "
            f"(trainer.accumulate_grad_batches times {processes} processes)"
        )


def _check_devices(config: RunConfig) -> None:
    trainer, on_cpu = config.trainer, config.trainer.accelerator == "cpu"
    if trainer.precision == "16-mixed" and on_cpu:
        raise ValueError(
            "trainer.precision=16-mixed needs a GPU; use bf16-mixed or 32-true with trainer.accelerator=cpu"
        )
    if trainer.sync_batchnorm and on_cpu:
        raise ValueError(
            "trainer.sync_batchnorm=true needs GPUs: torch's SyncBatchNorm has no CPU form; use sync_batchnorm=false"
        )
    if config.data.cache == "gpu" and config.augment and config.augment.settings.get("transforms"):
        raise ValueError(
            "augment.transforms work on one image at a time and data.cache=gpu on whole batches; "
            "use data.cache=disk, or augment=crop_flip"
        )
