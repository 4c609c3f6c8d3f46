"""Residual networks of torchvision, with a stem for small images, pretrained weights and a choice of heads."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain

from torch import Tensor, nn
from torchvision.models import resnet18, resnet34, resnet50

from lossbench.config.model_rules import check_model
from lossbench.models.heads import make_head, pooled
from lossbench.models.weights import load_pretrained

NETWORKS = {"resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50}
SMALL = 64
"""Largest height and width, in pixels, for which stem=auto chooses the small stem."""


class ResNet(nn.Module):
    """Residual network: stem, four stages of residual blocks (the `backbone`), head.

    The ImageNet stem divides height and width by 4, the small one not at all; the stages then divide by 8.

    Args:
        input_shape: (3, height, width) of one image.
        num_classes: C.
        architecture: resnet18, resnet34 or resnet50.
        pretrained: False | True (torchvision's ImageNet weights IMAGENET1K_V1) | a file: a state dict or a checkpoint
            of this model.
        stem: imagenet (7x7 convolution of stride 2, max pooling) | small (3x3 convolution of stride 1) | auto (small
            up to 64 pixels
            unless pretrained).
        head: linear | concat_pool | cosine.
        scale: of head=cosine; None is its default.
        pretrained_match: of a file: name | order, see `load_pretrained`.

    Raises:
        ValueError: a setting is not allowed, images have not 3 channels, or the pretrained weights are missing or do
            not fit.

    Reference:
        He et al. 2016, arXiv 1512.03385; the small stem: section 4.2.
    """

    num_features: int
    """D, the number of features: 512, or 2048 for resnet50."""
    weights_sha256: str | None
    """SHA-256 of the file of pretrained weights; None without."""

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        architecture: str = "resnet18",
        pretrained: bool | str = False,
        stem: str = "auto",
        head: str = "linear",
        scale: float | None = None,
        pretrained_match: str = "name",
    ) -> None:
        super().__init__()
        chosen = {"architecture": architecture, "pretrained": pretrained, "stem": stem, "head": head, "scale": scale}
        check_model("lossbench.models.resnet.ResNet", {**chosen, "pretrained_match": pretrained_match})
        _require_images(input_shape)
        small = stem == "small" or (stem == "auto" and not pretrained and max(input_shape[1:]) <= SMALL)
        self.backbone, self.num_features = _backbone(architecture, small)
        self.head = make_head(head, self.num_features, num_classes, scale)
        self.weights_sha256 = load_pretrained(self.backbone, pretrained, architecture, pretrained_match)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (batch, 3, height, width) to logits (batch, C)."""
        return self.head(self.backbone(inputs))

    def features(self, inputs: Tensor) -> Tensor:
        """Map images (batch, 3, height, width) to globally average-pooled features (batch, D)."""
        return pooled(self.backbone(inputs))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Group the parameters from the input to the output: stem, four stages, head; for learning rates by depth."""
        layers = dict(self.backbone.named_children())
        stages = [layers.pop(f"layer{i}") for i in range(1, 5)]
        stem = list(chain.from_iterable(layer.parameters() for layer in layers.values()))
        return [stem, *(list(part.parameters()) for part in (*stages, self.head))]


def _require_images(input_shape: Sequence[int]) -> None:
    if len(input_shape) != 3 or input_shape[0] != 3:
        raise ValueError(
            f"inputs must be images (3, height, width), got {tuple(input_shape)}; use other data, or model=mlp or "
            "linear"
        )


def _backbone(architecture: str, small: bool) -> tuple[nn.Sequential, int]:
    """Take torchvision's network without its pooling and classifier: same names, same initial weights."""
    network = NETWORKS[architecture](weights=None)
    layers = OrderedDict((name, layer) for name, layer in network.named_children() if name not in ("avgpool", "fc"))
    if small:
        conv = nn.Conv2d(3, network.conv1.out_channels, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # as torchvision draws it
        layers |= {"conv1": conv, "maxpool": nn.Identity()}
    return nn.Sequential(layers), network.fc.in_features
