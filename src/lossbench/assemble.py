"""Configuration -> model, loss, data and task; shared by training, loading and evaluating again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lossbench.build import build
from lossbench.data.module import ArrayDataset, DataModule
from lossbench.data.order import TrainBatches
from lossbench.data.source import Source
from lossbench.errors import UserError, one_line, suggest
from lossbench.evaluation import Evaluation, Loss, measure, raw
from lossbench.plan import LOADER, build_source
from lossbench.seeds import derive
from lossbench.task import ClassificationTask


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of."""

    model: nn.Module
    loss: Loss
    yardsticks: dict[str, Loss]
    source: Source
    data: DataModule
    steps_per_epoch: int
    total_steps: int


def assemble(config: Mapping[str, Any]) -> Parts:
    """Build the objects of a run; the same seed gives the same weights whatever the loss."""
    source = build_source(config["data"])
    seed = config["seed"]
    data = DataModule(source, seed, **{key: config["data"][key] for key in LOADER if key in config["data"]})
    model = build_model(config, source)
    loss = seeded(seed, "loss", config["loss"], "loss")
    yardsticks = {name: seeded(seed, "loss", node, f"yardsticks.{name}") for name, node in config["yardsticks"].items()}
    measured = try_out(model, loss, yardsticks, data)
    if config["monitor"].removeprefix("val/") not in measured:
        raise UserError(f"monitor={config['monitor']} is not measured; {suggest(config['monitor'], (f'val/{name}' for name in measured))}")
    steps_per_epoch = len(TrainBatches(len(data.split("train")), data.batch_size, seed, steps_per_epoch=data.steps_per_epoch))
    epochs, steps = config["trainer"]["max_epochs"], config["trainer"]["max_steps"]
    return Parts(model, loss, yardsticks, source, data, steps_per_epoch, min(epochs * steps_per_epoch, steps if steps > 0 else 2**62))


def build_model(config: Mapping[str, Any], source: Source) -> nn.Module:
    """Build the model, then what the loss adds behind it; each draws its weights from its own generator."""
    node, seed = dict(config["model"]), config["seed"]
    shape: dict[str, Any] = {}
    if str(node["_target_"]).startswith("lossbench."):
        shape = {"input_shape": source.input_shape, "num_classes": source.num_classes}
    if node.get("weight") == "data":
        weight = source.initial_weight(seed)
        if weight is None:
            raise UserError(f"model.weight=data: data={config['data']['name']} brings no initial weights; use model.weight=null")
        shape["weight"] = weight
    model = seeded(seed, "model", node, "model", **shape)
    if config.get("head") is None:
        return model
    return nn.Sequential(model, seeded(seed, "head", config["head"], "head", num_classes=source.num_classes))


def seeded(seed: int, stream: str, node: Mapping[str, Any], where: str, **extra: Any) -> Any:
    """Build a module with random numbers of its own, leaving everybody else's untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, stream))
        return build(node, where, **extra)


def try_out(model: nn.Module, loss: Loss, yardsticks: Mapping[str, Loss], data: DataModule) -> list[str]:
    """Put two examples through everything, so that what does not fit together is said before training begins.

    Returns:
        The names of what will be measured.

    Raises:
        UserError: a loss refuses the model's output.
    """
    batch = ArrayDataset(data.split("train"))[:2]
    model.eval()
    with torch.no_grad():
        output = model(batch.inputs)
    model.train()
    for where, each, given in (("loss", loss, output), *((f"yardsticks.{name}", item, raw(output)) for name, item in yardsticks.items())):
        try:
            each.per_example(given, batch.target)
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{where} does not fit the model's output: {one_line(error)}") from error
    return list(measure(loss, yardsticks, Evaluation(output, batch.target)))


def build_task(config: Mapping[str, Any], parts: Parts) -> ClassificationTask:
    """Build the LightningModule."""
    return ClassificationTask(
        parts.model,
        parts.loss,
        yardsticks=parts.yardsticks,
        make_optimizer=build(config["optimizer"], "optimizer", partial=True),
        schedule=build(config["scheduler"], "scheduler"),
        total_steps=parts.total_steps,
        steps_per_epoch=parts.steps_per_epoch,
        seed=config["seed"],
        log_every_n_steps=config["log_every_n_steps"],
    )
