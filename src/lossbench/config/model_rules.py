"""What settings of lossbench's own models may be. Torch-free: a configuration is checked before torch is imported."""

from collections.abc import Mapping, Sequence
from typing import Any

ARCHITECTURES = ("resnet18", "resnet34", "resnet50")
STEMS = ("auto", "imagenet", "small")
HEADS = ("linear", "concat_pool", "cosine")
MATCHES = ("name", "order")
WIDEST = 1024
PRETRAINED: Mapping[str, Sequence[str]] = {"head": HEADS, "pretrained_match": MATCHES}
CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "lossbench.models.resnet.ResNet": {"architecture": ARCHITECTURES, "stem": STEMS, **PRETRAINED},
    "lossbench.models.timm.Timm": PRETRAINED,
    "lossbench.models.lite0.Lite0": PRETRAINED,
    "lossbench.models.convnet.ConvNet": {"head": HEADS},
}
"""Class -> setting -> the names that it takes."""


def check_model(target: str, settings: Mapping[str, Any]) -> None:
    """Check the settings of a model that are one of a few names, and those that go together with them.

    Args:
        target: the class, with its module. Classes without rules are left alone.
        settings: what it is built with; those that are left out have their defaults.

    Raises:
        ValueError: a value is not allowed; one line that begins with its name.
    """
    if target not in CHOICES:
        return
    for name, options in CHOICES[target].items():
        if name in settings:
            check_choice(name, settings[name], options)
    _check_pretrained(settings)
    width = settings.get("width", 1)
    if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= WIDEST:
        raise ValueError(f"width must be an integer from 1 to {WIDEST}, got {width!r}")
    scale, head = settings.get("scale"), settings.get("head", "linear")
    if scale is not None and head != "cosine":
        raise ValueError(f"scale belongs to head=cosine, got scale={scale} with head={head}; use scale=null")


def _check_pretrained(settings: Mapping[str, Any]) -> None:
    pretrained = settings.get("pretrained", False)
    if not isinstance(pretrained, bool | str) or pretrained == "":
        raise ValueError(f"pretrained must be false, true or a file of weights, got {pretrained!r}")
    if settings.get("stem") == "small" and pretrained:
        raise ValueError("stem=small has no pretrained weights; use stem=auto, or pretrained=false")
    if settings.get("pretrained_match") == "order" and not isinstance(pretrained, str):
        raise ValueError(f"pretrained_match=order is for a file of weights, got pretrained={str(pretrained).lower()}")


def check_choice(setting: str, value: object, options: Sequence[str]) -> None:
    """Require one of a few names.

    Raises:
        ValueError: value is none of them.
    """
    if value not in options:
        raise ValueError(f"{setting}={value} is not allowed; choose one of {', '.join(options)}")
