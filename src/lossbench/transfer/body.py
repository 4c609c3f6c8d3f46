"""The penultimate layer of a trained run: what the last layer of its network takes."""

from typing import Any

import torch
from torch import nn

from lossbench.data.module import DataModule
from lossbench.data.source import ONE_CLASS, Source
from lossbench.data.tables.encoding import encoded_names
from lossbench.data.tables.table import Table
from lossbench.errors import UserError, one_line
from lossbench.models.linear import Linear
from lossbench.trained.loaded import LoadedRun
from lossbench.training.try_out import MISFITS


def body_of(run: LoadedRun) -> Any:
    """Give the network of a run: its `features` map inputs (b, ...) to what its own last layer takes, (b, D).

    What a loss adds behind the network, such as a cosine head, does not count: the layer is the same for all losses.

    Raises:
        UserError: the network has no such layer, or it is that of a backbone that was not trained.
    """
    body, path, config = run.parts.body, run.directory.path, run.directory.config
    if isinstance(body, Linear) and config.model.backbone is not None:
        raise UserError(
            f"{path} trained one layer on the frozen features of {config.model.backbone.name}, which are the same for "
            "every loss; train the whole network with model=finetune"
        )
    if not hasattr(body, "features"):
        raise UserError(
            f"{path}: model={config.model.name} has no layer before the last one, so no features to transfer; train "
            "mlp, convnet, resnet18, timm, or a model of your own with features(inputs) -> (batch, D)"
        )
    return body


def require_fit(run: LoadedRun, body: nn.Module, other: DataModule) -> None:
    """Refuse data that the network does not take, or that have no classes.

    Raises:
        UserError: names the shapes, the columns or the task.
    """
    path, ours, theirs = run.directory.path, run.parts.source, other.source
    if theirs.task not in ONE_CLASS or theirs.members > 1:
        raise UserError(f"the data are for {theirs.task}: a linear probe needs data of classes")
    _require_columns(ours, theirs)
    try:
        with torch.inference_mode():
            body.features(torch.ones(2, *theirs.input_shape))  # pyright: ignore[reportCallIssue] - asked for before
    except MISFITS as error:
        raise UserError(
            f"the network of {path} was trained on inputs {ours.input_shape} and does not take {theirs.input_shape} "
            f"({one_line(error)}); choose data, or data.image_size=, of a shape that it takes"
        ) from error


def _require_columns(ours: Source, theirs: Source) -> None:
    """A number in another column means something else."""
    if isinstance(ours, Table) != isinstance(theirs, Table):
        raise UserError("a network that was trained on a table takes another table alone, and the other way round")
    if isinstance(ours, Table) and isinstance(theirs, Table):
        names, others = encoded_names(ours.columns), encoded_names(theirs.columns)
        if names != others:
            differing = sorted({*names} ^ {*others})
            what = f"other columns, such as {differing[0]}" if differing else "their columns in another order"
            raise UserError(f"the tables have {what}; the network needs the columns that it was trained on")
