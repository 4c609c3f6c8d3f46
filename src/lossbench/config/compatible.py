"""Whether the settings of a configuration fit each other, whatever the data hold. Torch-free."""

from dataclasses import fields

from lossbench.config.class_weights import KEY, check_weight, needs_data, without_weights
from lossbench.config.custom import is_custom
from lossbench.config.model_rules import check_model
from lossbench.config.parse import Node
from lossbench.config.plain import is_sequence
from lossbench.config.rules import RegionError, check_loss
from lossbench.config.schema import RunConfig
from lossbench.config.sections import Features
from lossbench.config.values import directory_name
from lossbench.errors import UserError

# Models that take colour images, and whose layers come in groups; and those of one group.
DEEP = ("lossbench.models.resnet.", "lossbench.models.timm.", "lossbench.models.lite0.")
LONGEST_NAME = 80  # three of them and a hash are the name of one directory, which has at most 255 bytes
FLAT = ("lossbench.models.linear.", "lossbench.models.mlp.")


def check_together(config: RunConfig) -> None:
    """Check what no setting can say alone.

    Raises:
        UserError: one line that names the keys and what to do.
    """
    try:
        for group, node in (("data", config.data.source), ("model", config.model), ("loss", config.loss)):
            directory_name(f"{group}.name", node.record.get("name"), LONGEST_NAME)
        _check_model(config)
        _check_features(config)
        _check_batches(config)
        _check_devices(config)
        _check_bars(config)
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
        if config.loss.settings.get("reduction") == "none":
            raise ValueError("loss.reduction must be mean or sum: training needs one number, got 'none'")
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
        if needs_data(weight := loss.settings.get(KEY)):
            check_weight(weight)
        check_loss(loss.class_name, without_weights(loss.settings))
    except RegionError as error:
        raise _OutsideRegionError(where, error) from error
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from error


def _check_model(config: RunConfig) -> None:
    data, model = config.data, config.model
    _check_settings("model", model)
    if model.backbone:
        _check_settings("model.backbone", model.backbone)
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


def _check_features(config: RunConfig) -> None:
    features, usual = config.features, Features()
    for each in fields(Features):
        found = getattr(features, each.name)
        if _plain(found) != _plain(getattr(usual, each.name)):
            given = f"features.{each.name}={_plain(found)}"
            if config.model.backbone is None:
                raise ValueError(
                    f"{given} is about the features of a frozen backbone, and model={config.model.name} has none; "
                    "use features=lite0 on images, model=linear_probe, or augment=... to vary the images that a whole "
                    "network is trained on"
                )
            if each.name in ("scale", "flip") and features.views == 1:
                raise ValueError(
                    f"{given} is about random crops, and features.views=1 has the centre crop alone; "
                    "use features.views=4, for example"
                )


def _plain(value: object) -> object:
    return list(value) if is_sequence(value) else value


def _check_settings(where: str, model: Node) -> None:
    try:
        check_model(model.target, model.settings)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from error


def _check_batches(config: RunConfig) -> None:
    trainer, batch, data = config.trainer, config.data.batch_size, config.data
    if data.cache != "none" and "image_size" not in data.source.settings and not is_custom(data.source.record):
        raise ValueError(f"data.cache={data.cache} keeps images, and data={data.name} has none; use data.cache=none")
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


def _check_bars(config: RunConfig) -> None:
    for name, node in config.callbacks.items():
        if node.target.startswith("pytorch_lightning.") and node.class_name.endswith("ProgressBar"):
            raise ValueError(
                f"callbacks.{name}={node.class_name} is refused: a run draws its own bar; leave it out and choose "
                "progress_bar=auto, true or false"
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
