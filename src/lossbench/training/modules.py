"""Nodes of a configuration -> model, head and loss, each with random numbers of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lossbench.config.build import build
from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.config.sections import Head
from lossbench.data.embeddings import read_embeddings
from lossbench.data.module import DataModule
from lossbench.errors import UserError
from lossbench.models.heads import ClassEmbeddings
from lossbench.seeds import derive
from lossbench.training.class_settings import settings_of_data


def seeded(
    seed: int, stream: str, node: Node, where: str, offer: Mapping[str, object] | None = None, **extra: Any
) -> Any:
    """Build a module with random numbers of its own, leaving everybody else's untouched."""
    before = torch.get_rng_state()
    # torch.manual_seed costs 0.9 ms where CUDA is installed but absent
    torch.default_generator.manual_seed(derive(seed, stream))
    try:
        return build(node, where, offer=offer, **extra)
    finally:
        torch.set_rng_state(before)


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

    A head with `num_features`, and class embeddings, set how many numbers the model gives;
    otherwise it gives one for each class.

    Args:
        config: the resolved configuration.
        input_shape: one example's shape.
        num_classes: C; of other tasks how many numbers the model gives.
        weight: initial weights (C, D) that the data bring, for model.weight=data.
    """
    node, head, seed = config.model.trained, config.head, config.seed
    rows = read_embeddings(Path(config.embeddings.path), num_classes) if config.embeddings else None
    given = _width(head, rows, num_classes)
    initial = _initial(config, weight)
    model = seeded(seed, "model", node, "model", {"input_shape": input_shape, "num_classes": given}, **initial)
    if rows is not None:
        return nn.Sequential(model, ClassEmbeddings(rows))
    if head is None:
        return model
    return nn.Sequential(model, seeded(seed, "head", head, "head", {"num_features": given, "num_classes": num_classes}))


def _width(head: Head | None, rows: np.ndarray | None, num_classes: int) -> int:
    """How many numbers the model gives to what stands behind it."""
    if rows is not None:
        return rows.shape[1]
    return (head.settings.get("num_features") if head else None) or num_classes


def _initial(config: RunConfig, weight: np.ndarray | None) -> dict[str, np.ndarray]:
    """The initial weights of model.weight=data."""
    if config.model.settings.get("weight") != "data":
        return {}
    if weight is None:
        raise UserError(f"model.weight=data: data={config.data.name} brings no initial weights; use model.weight=null")
    return {"weight": weight}


def build_loss(seed: int, node: Node, data: DataModule, where: str = "loss") -> Any:
    """Build a loss; `class_counts: null`, and `weight` by a word or by name, become numbers of the training split.

    Raises:
        UserError: a class to be counted has no training example.
    """
    decided = settings_of_data(node, data, where)
    return seeded(seed, "loss", node, where, {"num_classes": data.source.num_classes}, **decided)
