"""What surrounds a model in training, built once for a try: optimiser, callbacks, loggers, profiler."""

import inspect
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.profilers import Profiler
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from lossbench.config.build import build
from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, one_line, suggest
from lossbench.hardware import has_gpu


def try_optimizer(config: RunConfig) -> None:
    """Take one step of the optimiser with a weight of its own.

    Raises:
        UserError: it refuses its settings, or is none that takes steps by itself.
    """
    node, weight = config.optimizer, nn.Parameter(torch.zeros(2, 2))
    make = build(node, "optimizer", partial=True)
    try:
        optimizer = make([weight])
        _require_kind("optimizer", node, optimizer, torch.optim.Optimizer)
        weight.grad = torch.zeros_like(weight)
        if not (node.settings.get("capturable") and config.trainer.accelerator != "cpu" and has_gpu()):
            optimizer.step()
    except (ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise UserError(f"optimizer={node.name} cannot be used with these settings: {one_line(error)}") from error


def try_callbacks(config: RunConfig) -> None:
    """Build the callbacks."""
    for name, node in config.callbacks.items():
        _require_kind(f"callbacks.{name}", node, build(node, f"callbacks.{name}"), Callback)


def try_loggers(config: RunConfig, folder: str) -> None:
    """Build the loggers, which write nothing before their first row."""
    for name, node in config.logger.items():
        where = f"logger.{name}"
        logger = build(node, where, offer={"save_dir": folder})
        _require_kind(where, node, logger, Logger)
        if isinstance(logger, TensorBoardLogger):
            _check_writer(node, where)


def try_profiler(config: RunConfig, folder: str) -> None:
    """Build the profiler."""
    if config.profiler is not None:
        profiler = build(config.profiler, "profiler", dirpath=folder)
        _require_kind("profiler", config.profiler, profiler, Profiler)


def _require_kind(where: str, node: Node, built: Any, kind: type) -> None:
    if not isinstance(built, kind):
        home = f"{kind.__module__.split('.')[0]}.{kind.__name__}"
        raise UserError(f"{where}._target_={node.target} is no {home}; name a class that is one")


def _check_writer(node: Node, where: str) -> None:
    """Lightning's logger hands on what it does not know to TensorBoard's writer, which is made at the first row."""
    known = {*inspect.signature(TensorBoardLogger).parameters, *inspect.signature(SummaryWriter).parameters}
    for name in node.settings:
        if name not in known:
            raise UserError(f"{where}.{name} does not exist for TensorBoardLogger; {suggest(name, known)}")
