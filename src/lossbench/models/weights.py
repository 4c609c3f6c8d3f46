"""Pretrained weights: found or downloaded, read without executing anything, and loaded completely or not at all."""

import hashlib
import re
import urllib.request
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from lossbench.models.misfit import describe, table

# What training wraps around a backbone; "0." is the model when a loss adds a head behind it.
PREFIXES = ("model.", "module.", "_orig_mod.", "0.", "backbone.")
CLASSIFIERS = ("fc", "head", "classifier")


def load_pretrained(backbone: nn.Module, pretrained: bool | str, architecture: str = "") -> str | None:
    """Give a backbone its pretrained weights.

    Args:
        backbone: is changed in place; its classifier is not part of it.
        pretrained: False leaves it alone, True loads torchvision's weights, else the path of a file: a state dict or
            a checkpoint.
        architecture: torchvision's name, for pretrained=True.

    Returns:
        SHA-256 of the file, hexadecimal; None without pretrained weights.

    Raises:
        ValueError: there is no such file, it is refused, or its weights are not those of the backbone.
    """
    if not pretrained:
        return None
    path = imagenet_file(architecture) if pretrained is True else Path(pretrained).expanduser()
    state, digest = read_weights(path)
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
    # A checkpoint's head may have a name that some backbone uses too: with a backbone marked as such, only that counts.
    marked = {key: value for key, value in state.items() if "backbone." in key}
    given = {_bare(key, wanted): value for key, value in (marked or state).items()}
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


def imagenet_file(architecture: str) -> Path:
    """Find torchvision's ImageNet weights (IMAGENET1K_V1) in torch.hub's cache, or download them.

    Args:
        architecture: torchvision's name, such as resnet18.

    Returns:
        A file whose SHA-256 begins with the digits in its name.

    Raises:
        ValueError: the file is not there and cannot be downloaded, or is damaged.
    """
    return fetch(get_model_weights(architecture)["IMAGENET1K_V1"].url)


def fetch(url: str) -> Path:
    """Find a file in torch.hub's cache, or download it; its name ends with the beginning of its SHA-256."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    prefix = (re.findall(r"-([0-9a-f]{8,})\.", path.name) or [""])[-1]
    if not path.exists():
        try:
            knock(url)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), prefix)
        except (OSError, RuntimeError, HTTPException) as error:
            todo = "put it there, or give pretrained a file of weights in place of true"
            raise ValueError(
                f"pretrained file {path} does not exist and cannot be downloaded ({error}); {todo}"
            ) from error
    if not sha256(path).startswith(prefix):
        raise ValueError(f"pretrained file {path} is damaged: its SHA-256 does not begin with {prefix}; delete it")
    return path


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def knock(url: str) -> None:
    """Ask for a file's header only, so that without a network the failure comes within seconds.

    Raises:
        OSError: no answer.
    """
    urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10).close()


def _parse(data: bytes, path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return import_module("safetensors.torch").load(data)
    return torch.load(BytesIO(data), map_location="cpu", weights_only=True)


def _bare(key: str, wanted: Iterable[str]) -> str:
    while key not in wanted and key.startswith(PREFIXES):
        key = key.split(".", 1)[1]
    return key
