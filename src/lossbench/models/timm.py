"""Any image model of the package timm, with this project's heads."""

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lossbench.config.model_rules import check_model
from lossbench.config.weights_files import sha256
from lossbench.models.heads import make_head, pooled
from lossbench.models.published import timm_file
from lossbench.models.weights import load_pretrained


class Timm(nn.Module):
    """Image model of timm (the `backbone`: images to features) and a head.

    Args:
        input_shape: (channels, height, width) of one image.
        num_classes: C.
        name: timm's name of the model, such as resnet18 or vit_tiny_patch16_224; timm.list_models() has all.
        pretrained: False | True (timm's weights for this name) | a file: a state dict or a checkpoint of this model.
        head: linear | cosine, on features pooled as timm does it | concat_pool, on feature maps of convolutional
            models.
        scale: of head=cosine; None is its default.
        pretrained_match: of a file: name | order, see `load_pretrained`.

    Raises:
        ImportError: timm is not installed.
        ValueError: a setting is not allowed, the model does not take such images or gives no maps, or the pretrained
            weights are
            missing or do not fit.

    Reference:
        Wightman 2019, PyTorch Image Models.
    """

    num_features: int
    """D, the number of features."""
    weights_sha256: str | None
    """SHA-256 of the file of pretrained weights; None without."""

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        name: str = "resnet18",
        pretrained: bool | str = False,
        head: str = "linear",
        scale: float | None = None,
        pretrained_match: str = "name",
    ) -> None:
        super().__init__()
        chosen = {"pretrained": pretrained, "head": head, "scale": scale, "pretrained_match": pretrained_match}
        check_model("lossbench.models.timm.Timm", chosen)
        timm = _package()
        _check_name(timm, name)
        if len(input_shape) != 3:
            raise ValueError(
                f"inputs must be images (channels, height, width), got {tuple(input_shape)}; use other data, or "
                "model=mlp or linear"
            )
        file = timm_file(timm, name) if pretrained is True else None
        self.backbone, self.num_features = _backbone(timm, name, input_shape, head, file)
        self.head = make_head(head, self.num_features, num_classes, scale)
        given = load_pretrained(self.backbone, pretrained if file is None else False, match=pretrained_match)
        self.weights_sha256 = given if file is None else sha256(file)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (batch, channels, height, width) to logits (batch, C)."""
        return self.head(self.backbone(inputs))

    def features(self, inputs: Tensor) -> Tensor:
        """Map images (batch, channels, height, width) to pooled features (batch, D)."""
        return pooled(self.backbone(inputs))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Group the parameters from the input to the output by timm's stages or blocks, then the head."""
        named = dict(self.backbone.named_parameters())
        groups = _package().models.group_parameters(self.backbone, self.backbone.group_matcher(coarse=True))  # pyright: ignore[reportCallIssue]
        return [[named[name] for name in names] for names in groups.values()] + [list(self.head.parameters())]


def _package() -> ModuleType:
    try:
        return import_module("timm")
    except ImportError as error:
        raise ImportError("model=timm needs the extra: pip install 'lossbench[timm]'") from error


def _check_name(timm: ModuleType, name: str) -> None:
    if not timm.is_model(name):
        close = get_close_matches(name, timm.list_models(), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"name={name} is not allowed; {hint}timm.list_models() has all names")
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise ValueError(f"name={name} is not allowed; {error}") from error


def _backbone(
    timm: ModuleType, name: str, input_shape: Sequence[int], head: str, file: Path | None
) -> tuple[nn.Module, int]:
    """Build the model without its classifier; its output on one image gives the number of features."""
    options: dict[str, Any] = {"num_classes": 0, "in_chans": input_shape[0]}
    if head == "concat_pool":
        options["global_pool"] = ""
    if getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False):
        options["img_size"] = tuple(input_shape[1:])
    if file:
        # custom_load: older timm would read some models' files as NumPy's, which the hub's are not.
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file), "custom_load": False}}
    try:
        backbone = timm.create_model(name, **options).eval()
        with torch.no_grad():
            output = backbone(torch.zeros(1, *input_shape))
    except Exception as error:
        raise ValueError(
            f"name={name} does not take images of shape {tuple(input_shape)} with head={head}: {error}"
        ) from error
    if head == "concat_pool" and (output.ndim != 4 or getattr(backbone, "output_fmt", "NCHW") != "NCHW"):
        raise ValueError(
            f"head=concat_pool needs feature maps (batch, D, h, w), which {name} does not give; use head=linear or "
            "cosine"
        )
    return backbone.train(), output.shape[1]
