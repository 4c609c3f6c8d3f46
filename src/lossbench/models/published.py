"""Published weights: found on this machine, or downloaded."""

import re
import urllib.request
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torchvision.models import get_model_weights

from lossbench.config.weights_files import sha256, weights_folder


def imagenet_file(architecture: str) -> Path:
    """Find torchvision's ImageNet weights (IMAGENET1K_V1), or download them.

    Args:
        architecture: torchvision's name, such as resnet18.

    Returns:
        A file whose SHA-256 begins with the digits in its name.

    Raises:
        ValueError: the file is not there and cannot be downloaded, or is damaged.
    """
    return fetch(get_model_weights(architecture)["IMAGENET1K_V1"].url, architecture)


def fetch(url: str, name: str) -> Path:
    """Find a file in the folder of published weights or in torch.hub's cache, or download it into that folder.

    Args:
        url: ends with the file's name, which may end with the beginning of its SHA-256.
        name: of the network, for messages.

    Raises:
        ValueError: the file is not there and cannot be downloaded, or is damaged.
    """
    file = url.rpartition("/")[2]
    path, cached = weights_folder() / file, Path(torch.hub.get_dir()) / "checkpoints" / file
    prefix = (re.findall(r"-([0-9a-f]{8,})\.", file) or [""])[-1]
    if not path.exists() and cached.exists():
        path = cached
    if not path.exists():
        try:
            knock(url)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), prefix)
        except (OSError, RuntimeError, HTTPException) as error:
            raise ValueError(f"pretrained file {path} does not exist and {_no_download(error, name)}") from error
    if not sha256(path).startswith(prefix):
        raise ValueError(f"pretrained file {path} is damaged: its SHA-256 does not begin with {prefix}; delete it")
    return path


def timm_file(timm: ModuleType, name: str) -> Path:
    """Find timm's weights in the folder of published weights or in their hub's cache, or download them.

    Args:
        timm: the package.
        name: timm's name of the model.

    Raises:
        ValueError: there are none, or they cannot be downloaded.
    """
    source = timm.get_pretrained_cfg(name)
    if source is None or not source.has_weights:
        raise ValueError(
            f"pretrained weights for name={name} do not exist in timm; timm.list_models(pretrained=True) has the "
            "names that have some"
        )
    kept = weights_folder() / timm_name(source)
    if kept.exists():
        return kept
    return _from_hub(source, name) if source.hf_hub_id else fetch(source.url, f"timm/{name}")


def timm_name(source: Any) -> str:
    """Name the file of a model's weights in the folder of published weights.

    Args:
        source: what timm says of them (`get_pretrained_cfg`).
    """
    if not source.hf_hub_id:
        return source.url.rpartition("/")[2]
    tag = f".{source.tag}" if source.tag else ""
    return f"{source.architecture}{tag}{Path(source.hf_hub_filename or 'model.safetensors').suffix}"


def _from_hub(source: Any, name: str) -> Path:
    hub = import_module("huggingface_hub")
    repo, _, revision = source.hf_hub_id.partition("@")
    where = {"repo_id": repo, "filename": source.hf_hub_filename or "model.safetensors", "revision": revision or None}
    try:
        cached = hub.try_to_load_from_cache(**where)
        if isinstance(cached, str):
            return Path(cached)
        knock(hub.hf_hub_url(**where))  # without a network the hub would try for a minute
        return Path(hub.hf_hub_download(**where))
    except Exception as error:
        missing = f"{where['filename']} of {repo} is not in {hub.constants.HF_HUB_CACHE}"
        raise ValueError(f"pretrained weights {missing} and {_no_download(error, f'timm/{name}')}") from error


def _no_download(error: Exception, name: str) -> str:
    return (
        f"cannot be downloaded ({error}); run `lossbench weights {name}` where there is a network, and copy the file "
        f"into {weights_folder()} (LOSSBENCH_WEIGHTS), or give pretrained a file of weights in place of true"
    )


def knock(url: str) -> None:
    """Ask for a file's header only, so that without a network the failure comes within seconds.

    Raises:
        OSError: no answer.
    """
    urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10).close()
