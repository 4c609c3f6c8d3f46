"""card.json: what an exported network takes and gives, what it was trained on, and how well it did."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.data.tables.csv_text import MISSING
from lossbench.export.formats import FORMATS
from lossbench.export.verdict import verdicts
from lossbench.trained.predictor import Predictor

KEPT = ("loss", "optimizer", "scheduler", "augment", "trainer.max_epochs", "model", "head")
LEFT_OUT = ("pretrained", "pretrained_match", "path", "root", "_target_")
PACKAGES = ("lossbench", "torch", "torchvision", "timm", "numpy", "scikit-learn", "polars")
OUTPUT = {
    "classification": "probabilities (n, C) of the classes, softmax(scale * logits)",
    "ordinal": "probabilities (n, C) of the classes, from the lowest to the highest, softmax(scale * logits)",
    "multi_label": "probabilities (n, C) of each class by itself, sigmoid(logits)",
}


def card_of(predictor: Predictor, format_name: str, checkpoint: str) -> dict[str, Any]:
    """Collect what a receiver should know; no path of this machine is in it.

    Args:
        predictor: the run.
        format_name: of the network's file.
        checkpoint: last or best: whose weights they are.
    """
    result, config, chosen = predictor.result, predictor.run.config, FORMATS[format_name]
    image = ("pillow",) if predictor.sees_images else ()
    return {
        "name": f"{result.data}-{result.model}-{result.loss}",
        "task": predictor.task,
        "format": format_name,
        "file": chosen.file,
        "needs": ["numpy", *image, *chosen.needs],
        "classes": [*predictor.classes],
        "input": _input(predictor),
        "output": OUTPUT[predictor.task],
        "scale": predictor.network.scale,
        "data": {
            "name": result.data,
            "fingerprint": result.fingerprint,
            "train_counts": result.facts.get("train_counts", {}),
            "left_out": result.facts.get("left_out", []),
        },
        "metrics": _metrics(predictor) if checkpoint == config.evaluate else {},
        "verdicts": verdicts(predictor.run.path.parents[1], result),
        "training": {
            "run": result.hash,
            "study": result.study,
            "seed": result.seed,
            "replicate": result.replicate,
            "checkpoint": checkpoint,
            "epochs": result.epochs,
            "steps": result.steps,
            "settings": _settings(result.params),
        },
        "pretrained": None
        if result.weights_sha256 is None
        else {"sha256": result.weights_sha256, **_pretrained(config)},
        "versions": {name: version for name, version in result.versions.items() if name in PACKAGES},
        "made": f"{datetime.now(UTC):%Y-%m-%d}",
        "made_with": {"lossbench": version("lossbench"), "torch": torch.__version__},
    }


def _input(predictor: Predictor) -> dict[str, Any]:
    source = predictor.source
    if predictor.columns:
        columns = [{**column} for column in predictor.columns]
        shape = ["n", *predictor.input_shape]
        return {"kind": "table", "dtype": "float32", "shape": shape, "columns": columns, "missing": [*MISSING]}
    if not isinstance(source, ImageSource):
        return {"kind": "array", "dtype": "float32", "shape": ["n", *source.input_shape]}
    return {
        "kind": "image",
        "dtype": "uint8",
        "shape": ["n", "height", "width", 3],
        "channels": "RGB, upright",
        "shorter_side": source.shorter_side,
        "crop": source.image_size,
        "interpolation": source.interpolation,
        "antialias": True,
        "mean": [*source.mean],
        "std": [*source.std],
    }


def _metrics(predictor: Predictor) -> dict[str, dict[str, Any]]:
    """The numbers of the test split; those of a tested run's validation split helped to choose the weights."""
    result, found = predictor.result, {}
    for name, value in result.metrics.items():
        split, _, metric = name.partition("/")
        if split == "test" and value is not None:
            found[metric] = {"value": value, "half_width_95": result.half_width_95.get(name), "n": result.n["test"]}
    return found


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """What decided the training, without paths and classes."""
    kept = {}
    for name, value in params.items():
        parts = name.split(".")
        if (parts[0] in KEPT or name in KEPT) and not {*parts} & {*LEFT_OUT} and value not in (None, {}, []):
            kept[name] = value
    return kept


def _pretrained(config: RunConfig) -> dict[str, Any]:
    """What the weights that the training started from are called, and their licence; None where it is not known."""
    node = config.model.backbone or config.model
    name = node.settings.get("architecture") or node.settings.get("name") or node.name
    return {"network": name, "licence": _licence(node) if node.settings.get("pretrained") is True else None}


def _licence(node: Node) -> str | None:
    if node.class_name == "Lite0":
        return "Apache-2.0"
    if node.class_name == "Timm":
        from timm import get_pretrained_cfg

        published = get_pretrained_cfg(str(node.settings.get("name")))
        return published.license if published else None
    return None
