"""Published weights: found on this machine, or downloaded."""

import re
import urllib.request
from http.client import HTTPException
from pathlib import Path

import torch
from torchvision.models import get_model_weights

from lossbench.config.weights_files import sha256


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


def knock(url: str) -> None:
    """Ask for a file's header only, so that without a network the failure comes within seconds.

    Raises:
        OSError: no answer.
    """
    urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10).close()
