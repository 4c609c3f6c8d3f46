"""What a configuration may say: every value checked in one place, before anything heavy is imported. Torch-free."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from lossbench.config.custom import is_custom
from lossbench.config.rules import RegionError, check_loss, check_task, tasks_of
from lossbench.errors import InvalidCellError, UserError, suggest

Rule = Callable[[str, Any], None]


def integer(name: str, value: object, low: int, high: int | None = None) -> None:
    """Require a whole number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        allowed = f">= {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")


def number(
    name: str, value: object, low: float, *, above: bool = False, below: float = math.inf, top: float = math.inf
) -> None:
    """Require a finite number >= low (or > low when `above`), < below and <= top."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not ok or not (value > low if above else value >= low) or value >= below or value > top:  # pyright: ignore[reportOperatorIssue]
        limit = f" and < {below:g}" if below < math.inf else f" and <= {top:g}" if top < math.inf else ""
        raise ValueError(f"{name} must be a number {'>' if above else '>='} {low:g}{limit}, got {value!r}")


def choice(name: str, value: object, options: tuple[object, ...]) -> None:
    """Require one of a few values."""
    if not any(value is option or (type(value) is type(option) and value == option) for option in options):
        raise ValueError(f"{name}={_shown(value)} is not allowed; {suggest(str(value), map(_shown, options))}")


def directory_name(name: str, value: object) -> None:
    """Require a name that is safe as a directory on every file system."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.=-]{0,99}", value):
        raise ValueError(f"{name} must be a name of letters, digits, '_', '-', '.', got {value!r}")


def _shown(value: object) -> str:
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, bool | None)
        else str(value)
    )  # type: ignore[arg-type]


def _or(other: object, rule: Rule) -> Rule:
    def either(name: str, value: object) -> None:
        if value is other or (value == other and type(value) is type(other)):
            return
        try:
            rule(name, value)
        except ValueError as error:
            raise ValueError(f"{error}; {_shown(other)} is allowed too") from error

    return either


def _int(low: int, high: int | None = None) -> Rule:
    return lambda name, value: integer(name, value, low, high)


def _num(low: float, *, above: bool = False, below: float = math.inf) -> Rule:
    return lambda name, value: number(name, value, low, above=above, below=below)


def _one_of(*options: object) -> Rule:
    return lambda name, value: choice(name, value, options)


def _fraction(name: str, value: object) -> None:
    number(name, value, 0, top=1)


def _widths(name: str, value: object) -> None:
    if not isinstance(value, list) or not all(type(width) is int and width > 0 for width in value):
        raise ValueError(f"{name} must be a list of whole numbers > 0 such as [128], got {value!r}")


def _betas(name: str, value: object) -> None:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{name} must be two numbers such as [0.9,0.999], got {value!r}")
    for part in value:
        number(name, part, 0, below=1)


RULES: dict[str, Rule] = {
    "seed": _int(0, 2**32 - 1),
    "study": directory_name,
    "evaluate": _one_of("last", "best"),
    "keep_checkpoints": _one_of("all", "last", "best", "none"),
    "save_predictions": _one_of("auto", True, False),
    "progress_bar": _one_of("auto", True, False),
    "figures": _one_of("auto", True, False),
    "force": _one_of(True, False),
    "log_every_n_steps": _int(1),
    "checkpoint.every_n_epochs": _int(1),
    "checkpoint.every_n_steps": _or(None, _int(1)),
    "trainer.max_epochs": _int(1),
    "trainer.max_steps": _or(-1, _int(1)),
    "trainer.devices": _int(1),
    "trainer.num_nodes": _int(1),
    "trainer.accelerator": _one_of("auto", "cpu", "gpu"),
    "trainer.strategy": _one_of("auto", "ddp", "ddp_find_unused_parameters_true"),
    "trainer.precision": _one_of("32-true", "bf16-mixed", "16-mixed"),
    "trainer.gradient_clip_val": _or(None, _num(0, above=True)),
    "trainer.accumulate_grad_batches": _int(1),
    "trainer.sync_batchnorm": _one_of(True, False),
    "trainer.channels_last": _one_of(True, False),
    "trainer.compile": _one_of(True, False),
    "trainer.deterministic": _one_of(True, False, "warn"),
    "trainer.threads": _or("auto", _int(1)),
    "data.batch_size": _int(1),
    "data.num_workers": _or("auto", _int(0)),
    "data.cache": _one_of("none", "disk", "gpu"),
    "data.steps_per_epoch": _or(None, _int(1)),
    "data.overfit_batches": _int(0),
    "data.limit_eval_batches": _or(None, _int(1)),
    "callbacks.ema.decay": _num(0, below=1),
    "augment.flip": _fraction,
    "augment.erasing": _fraction,
    "augment.mixup": _num(0),
    "augment.cutmix": _num(0),
    "augment.label_smoothing": _num(0, below=1),
    "head.num_features": _or(None, _int(1)),
    "model.hidden": _widths,
    "model.dropout": _num(0, below=1),
    "model.bias": _one_of(True, False),
    "optimizer.lr": _num(0, above=True, below=3.4e38),
    "optimizer.momentum": _num(0, below=1),
    "optimizer.weight_decay": _num(0),
    "optimizer.eps": _num(0, above=True),
    "optimizer.nesterov": _one_of(True, False),
    "optimizer.betas": _betas,
}


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """Find the value at a dotted path; raises KeyError where there is none."""
    for part in path.split("."):
        if not isinstance(config, Mapping) or part not in config:
            raise KeyError(path)
        config = config[part]
    return config


def check(config: Mapping[str, Any]) -> None:
    """Check a resolved configuration's values; what a data set allows, its source checks.

    Raises:
        UserError: one line that names the key, what was found and what is allowed.
        InvalidCellError: all is well but the hyper-parameters of the loss.
    """
    try:
        for path, rule in RULES.items():
            try:
                value = lookup(config, path)
            except KeyError:
                continue
            rule(path, value)
        _check_groups(config)
        _check_yardsticks(config)
        _check_model(config)
        _check_together(config)
        _check_loss("loss", config["loss"])  # last: a cell of a sweep is invalid only where nothing else is wrong
    except KeyError as error:
        raise UserError(f"the configuration lacks {error.args[0]}") from error
    except ValueError as error:
        raise UserError(str(error)) from error


def check_fit(config: Mapping[str, Any], task: str) -> None:
    """Check that what a resolved configuration says is for the task of its data.

    Args:
        config: a checked configuration.
        task: of the data set, such as "regression".

    Raises:
        UserError: one line that names the key and what fits.
    """
    data, named = config["data"]["name"], {f"loss={config['loss']['name']}": config["loss"]}
    named |= {f"yardsticks.{name}": loss for name, loss in config["yardsticks"].items()}
    for where, loss in named.items():
        package, _, class_name = str(loss["_target_"]).rpartition(".")
        if package.startswith("lossbench.losses"):  # what others are for is asked when they are built
            try:
                check_task(where, tasks_of(class_name), data, task)
            except ValueError as error:
                raise UserError(str(error)) from error
    if task == "classification":
        if "nll" in config["yardsticks"]:
            raise UserError(
                "yardsticks.nll has the name of a metric that is measured anyway; use cross_entropy, which is the same loss"
            )
        return
    for name in ("mixup", "cutmix", "label_smoothing"):
        if config["augment"].get(name):
            raise UserError(f"augment.{name} mixes classes, and the task of data={data} is {task}; use augment=none")
    if config["figures"] is True:
        raise UserError(
            f"figures=true draws pictures of classifiers, and the task of data={data} is {task}; use figures=auto"
        )


def _check_loss(where: str, loss: Mapping[str, Any]) -> None:
    values = {key: value for key, value in loss.items() if key not in ("name", "_target_")}
    try:
        check_loss(str(loss["_target_"]).rpartition(".")[2], values)
    except RegionError as error:
        raise InvalidCellError(f"{where}.{error}") from error
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from error


def _check_yardsticks(config: Mapping[str, Any]) -> None:
    for name, loss in config["yardsticks"].items():
        try:
            _check_loss(f"yardsticks.{name}", loss)
        except InvalidCellError as error:
            raise ValueError(str(error)) from error


def _check_groups(config: Mapping[str, Any]) -> None:
    for group in ("data", "model", "loss", "optimizer", "scheduler"):
        if not isinstance(config[group], Mapping) or "_target_" not in config[group]:
            raise ValueError(
                f"{group} must say what to build (_target_), got {config[group]!r}; choose one with {group}=NAME"
            )
    for group in ("data", "model", "loss"):
        directory_name(f"{group}.name", config[group].get("name"))


# Models that take colour images, and whose layers come in groups; and those of one group.
DEEP = ("lossbench.models.resnet.", "lossbench.models.timm.")
FLAT = ("lossbench.models.linear.", "lossbench.models.mlp.")


def _check_model(config: Mapping[str, Any]) -> None:
    data, model = config["data"], config["model"]
    for node in (model, model.get("backbone") or {}):
        flat = "image_size" not in data and not is_custom(data)
        if str(node.get("_target_")).startswith(DEEP) and flat:
            raise ValueError(
                f"model={model['name']} takes colour images, and data={data['name']} has none; use model=mlp or model=linear"
            )
    if config["scheduler"]["_target_"] == "lossbench.training.schedules.Finetune" and str(model["_target_"]).startswith(
        FLAT
    ):
        raise ValueError(
            f"scheduler=finetune needs a model with groups of layers, model={model['name']} has none; use resnet18, 34, 50 or timm"
        )


def _check_together(config: Mapping[str, Any]) -> None:
    trainer, batch = config["trainer"], config["data"]["batch_size"]
    processes = trainer["devices"] * trainer["num_nodes"]
    if batch % processes:
        raise ValueError(
            f"data.batch_size={batch} counts examples over all {processes} processes and must be a multiple of {processes}"
        )
    parts = trainer["accumulate_grad_batches"] * processes
    if batch % parts:
        raise ValueError(
            f"data.batch_size={batch} counts the examples of a whole update and must be a multiple of {parts} "
            f"(trainer.accumulate_grad_batches times {processes} processes)"
        )
    if trainer["precision"] == "16-mixed" and trainer["accelerator"] == "cpu":
        raise ValueError(
            "trainer.precision=16-mixed needs a GPU; use bf16-mixed or 32-true with trainer.accelerator=cpu"
        )
    if trainer["sync_batchnorm"] and trainer["accelerator"] == "cpu":
        raise ValueError(
            "trainer.sync_batchnorm=true needs GPUs: torch's SyncBatchNorm has no CPU form; use sync_batchnorm=false"
        )
    if config["data"].get("cache") == "gpu" and config["augment"].get("transforms"):
        raise ValueError(
            "augment.transforms work on one image at a time and data.cache=gpu on whole batches; use data.cache=disk, or augment=crop_flip"
        )
    if not re.fullmatch(r"val/\w+", str(config["monitor"])):
        raise ValueError(
            f"monitor must be a validation metric such as val/accuracy or val/nll, got {config['monitor']!r}"
        )
    if config["optimizer"].get("nesterov") and not config["optimizer"].get("momentum"):
        raise ValueError("optimizer.nesterov=true needs optimizer.momentum > 0, got 0")
