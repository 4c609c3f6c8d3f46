"""What a run takes from its pretrained network: the network itself where all of it is trained, and how it sees images.

Torch-free; timm is imported where a model of it is pretrained.
"""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from lossbench.config import custom
from lossbench.config.installed import is_installed
from lossbench.config.parse import NAME, TARGET
from lossbench.config.plain import is_mapping, is_sequence

BACKBONE = "backbone"
PLAIN: Mapping[str, Any] = {
    "image_size": 224,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "interpolation": "bilinear",
}
"""How images are seen where neither the user nor a pretrained network says otherwise: ImageNet's mean and std."""
LITE0: Mapping[str, Any] = {
    "image_size": 224,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
}
SIZED_BY_DATA = ("lossbench.data.numbered.",)
"""Data sets whose images have one size, which is theirs where nothing else is set."""
SMALL = 64
"""Up to this image_size, pixels, evaluation sees whole images."""


def whole_network(model: Any) -> Any:
    """Give model=finetune as the network that it trains: its backbone with a head."""
    if not is_mapping(model) or TARGET in model or not is_mapping(model.get(BACKBONE)):
        return model
    return {**model[BACKBONE], **{key: value for key, value in model.items() if key not in (NAME, BACKBONE)}}


def with_preprocessing(data: Any, seen: Mapping[str, Any]) -> Any:
    """Fill in the settings of an image data set that are null.

    Args:
        data: the data set's record.
        seen: how images are seen: values of the settings in `PLAIN` and, in place of data.resize, the `crop` that is
            the image_size's share of the shorter side.

    Returns:
        A record with numbers; that of other data as it is.
    """
    if not is_mapping(data):
        return data
    usual = {**PLAIN, **seen}
    if str(data.get(TARGET)).startswith(SIZED_BY_DATA):
        usual["image_size"] = seen.get("image_size")
    filled = {**data, **{key: usual[key] for key in PLAIN if key in data and data[key] is None}}
    return {**filled, "resize": _resize(filled, seen)} if "resize" in filled else filled


def _resize(data: Mapping[str, Any], seen: Mapping[str, Any]) -> Any:
    """The shorter side before the centre crop: typed, or by the network's `crop` where that is not the usual 7/8."""
    typed, size, crop = data["resize"], data.get("image_size"), seen.get("crop")
    if typed is not None or crop is None or not isinstance(size, int) or size <= SMALL:
        return typed
    resize = round(size / crop)
    return None if resize == round(size * 8 / 7) else resize


def with_own_settings(data: Any, seen: Mapping[str, Any]) -> Any:
    """Add to the record of a user's own image data set what its class takes and leaves at lossbench's default, as null.

    Args:
        data: the data set's record.
        seen: how a pretrained network has seen images; where that is as usual, nothing is added.
    """
    if not seen or not is_mapping(data) or not custom.is_custom(data):
        return data
    factory = custom.load(data[TARGET], data[custom.SOURCE], "data")
    if not hasattr(factory, "shorter_side"):  # no images
        return data
    takes = signature(factory).parameters
    usual = [key for key, value in PLAIN.items() if key in takes and _plain(takes[key].default) == value]
    return {**dict.fromkeys(usual), **data}


def _plain(value: object) -> object:
    return [*value] if is_sequence(value) else value


def seen_by(model: Any) -> Mapping[str, Any]:
    """Say how the pretrained network of a model has seen images; empty where it is as usual or not pretrained."""
    network = model.get(BACKBONE, model) if is_mapping(model) else None
    if not is_mapping(network) or not network.get("pretrained"):
        return {}
    kind = str(network.get(TARGET)).rpartition(".")[2]
    if kind == "Lite0":
        return LITE0
    return _of_timm(str(network.get(NAME))) if kind == "Timm" and is_installed("timm") else {}


def seen_in(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say how a run has seen images, from the record of its data: other data are to be seen alike."""
    seen = {key: data[key] for key in PLAIN if data.get(key) is not None}
    return {**seen, "crop": data["image_size"] / data["resize"]} if data.get("resize") and seen else seen


def _of_timm(name: str) -> Mapping[str, Any]:
    """What timm says of its pretrained weights."""
    timm = import_module("timm")
    try:
        published = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError:  # an unknown tag
        published = None
    if published is None:  # refused where the model is built, with a suggestion
        return {}
    return {
        "image_size": max(published.input_size[1:]),
        "mean": [*map(float, published.mean)],
        "std": [*map(float, published.std)],
        "interpolation": "bilinear" if published.interpolation == "bilinear" else "bicubic",
        "crop": published.crop_pct,
    }
