"""Pretrained weights: read without executing anything, and loaded completely or not at all."""

import hashlib
from collections.abc import Iterable, Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossbench.models.misfit import describe, table
from lossbench.models.order import in_order
from lossbench.models.published import imagenet_file

# What training wraps around a backbone; "0." is the model when a loss adds a head behind it.
PREFIXES = ("model.", "module.", "_orig_mod.", "0.", "backbone.")
CLASSIFIERS = ("fc", "head", "classifier")


def load_pretrained(
    backbone: nn.Module, pretrained: bool | str, architecture: str = "", match: str = "name"
) -> str | None:
    """Give a backbone its pretrained weights.

    Args:
        backbone: is changed in place; its classifier is not part of it.
        pretrained: False leaves it alone, True loads torchvision's weights, else the path of a file: a state dict or
            a checkpoint.
        architecture: torchvision's name, for pretrained=True.
        match: "name" finds the tensors of a file by their names, "order" by their place, where all shapes agree.

    Returns:
        SHA-256 of the file, hexadecimal; None without pretrained weights.

    Raises:
        ValueError: there is no such file, it is refused, or its weights are not those of the backbone.
    """
    if not pretrained:
        return None
    path = imagenet_file(architecture) if pretrained is True else Path(pretrained).expanduser()
    state, digest = read_weights(path)
    if pretrained is not True and match == "order":
        load_in_order(backbone, state, path)
    else:
        load_backbone(backbone, state, path)
    return digest


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a state dict, or of a checkpoint that holds one.

    Args:
        path: a file of torch.save, or *.safetensors.

    Returns:
        Tensors by name, and the SHA-256 of the very bytes they came from.

    Raises:
        ValueError: the file is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"pretrained file {path} cannot be read: {error.strerror}") from error
    try:
        found = _parse(data, path)
        state = found.get("state_dict", found)
        return {key: value for key, value in state.items() if isinstance(value, Tensor)}, hashlib.sha256(
            data
        ).hexdigest()
    except ImportError as error:
        raise ValueError(f"pretrained file {path} needs the package safetensors: pip install safetensors") from error
    except Exception as error:
        raise ValueError(
            f"pretrained file {path} is refused: it is damaged or holds more than tensors and plain values"
        ) from error


def load_backbone(backbone: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into a backbone, leaving out the classifier's.

    Args:
        backbone: is changed in place.
        state: tensors by name; what training wraps around a backbone (`model.`, `module.`, `backbone.`, ...) is taken
            off the names.
        path: where they come from, for messages.

    Raises:
        ValueError: weights are missing, have another shape, or are those of a larger backbone; the first of them are
            named.
    """
    wanted = backbone.state_dict()
    given = {_bare(key, wanted): value for key, value in _marked(state).items()}
    found = {key: value for key, value in given.items() if key in wanted}
    for fault, keys in _misfits(wanted, given, found).items():
        if keys:
            error = ValueError(
                f"pretrained file {path} does not fit the model: it {fault} "
                f"{', '.join(keys[:3])}{', ...' * (len(keys) > 3)}; {describe(wanted, given)}"
            )
            error.add_note(table(wanted, given))
            raise error
    backbone.load_state_dict(found, strict=False)


def load_in_order(backbone: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into a backbone by their order, whatever their names; a classifier behind them is left out.

    Args:
        backbone: is changed in place.
        state: tensors by name, in the order of the file.
        path: where they come from, for messages.

    Raises:
        ValueError: they do not agree in order and shape; the first difference is named.
    """
    wanted, given = backbone.state_dict(), _marked(state)
    try:
        found = in_order(wanted, given)
    except ValueError as error:
        refusal = ValueError(f"pretrained file {path} does not fit the model by pretrained_match=order: {error}")
        refusal.add_note(table(wanted, given))
        raise refusal from error
    backbone.load_state_dict(found, strict=False)


def _marked(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of the backbone where some are marked as such: the head may have a name that a backbone uses too."""
    return {key: value for key, value in state.items() if "backbone." in key} or state


def _misfits(
    wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> dict[str, list[str]]:
    """What is wrong with a file's weights, and the names that it concerns."""
    # Files older than num_batches_tracked lack it; BatchNorm counts on from 0.
    missing = [key for key in wanted if key not in found and not key.endswith("num_batches_tracked")]
    reshaped = [key for key, value in found.items() if value.shape != wanted[key].shape]
    # The weights of a smaller model are all found in a larger one's file: what is left over tells them apart.
    parts = {key.split(".")[0] for key in wanted}.difference(CLASSIFIERS)
    unused = [key for key in given if key not in wanted and key.split(".")[0] in parts]
    return {"lacks": missing, "has other shapes of": reshaped, "is of a larger model and has also": unused}


def _parse(data: bytes, path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return import_module("safetensors.torch").load(data)
    return torch.load(BytesIO(data), map_location="cpu", weights_only=True)


def _bare(key: str, wanted: Iterable[str]) -> str:
    while key not in wanted and key.startswith(PREFIXES):
        key = key.split(".", 1)[1]
    return key
