"""A small convolutional network that trains from scratch on small pictures, on a CPU in minutes."""

from collections.abc import Sequence

from torch import Tensor, nn

from lossbench.config.model_rules import check_model
from lossbench.models.heads import make_head, pooled


class ConvNet(nn.Module):
    """Five 3 x 3 convolutions with BatchNorm and ReLU, the fifth one residual, then the head: 0.28 million parameters.

    Max pooling halves height and width three times; the head averages what is left.

    Args:
        input_shape: (channels, height, width) of one image, at least 8 x 8 pixels.
        num_classes: C.
        width: channels after the first convolution; later ones have 2 and 4 times as many.
        head: linear | concat_pool | cosine.
        scale: of head=cosine; None is its default.

    Raises:
        ValueError: a setting is not allowed, or inputs are no images or too small.

    Reference:
        The order of layers: Ioffe & Szegedy 2015, arXiv 1502.03167; the shortcut: He et al. 2016, arXiv 1512.03385.
    """

    num_features: int
    """D, the number of features: 4 times the width."""

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        width: int = 32,
        head: str = "linear",
        scale: float | None = None,
    ) -> None:
        super().__init__()
        check_model("lossbench.models.convnet.ConvNet", {"width": width, "head": head, "scale": scale})
        if len(input_shape) != 3 or min(input_shape[1:]) < 8:
            raise ValueError(
                f"inputs must be images (channels, height, width) of at least 8 x 8 pixels, got {tuple(input_shape)}; "
                "use other data, or model=mlp or linear"
            )
        self.num_features = 4 * width
        self.backbone = nn.Sequential(
            *(convolution(input_shape[0], width), nn.MaxPool2d(2)),
            *(convolution(width, 2 * width), convolution(2 * width, 2 * width), nn.MaxPool2d(2)),
            *(convolution(2 * width, 4 * width), nn.MaxPool2d(2)),
            Residual(convolution(4 * width, 4 * width)),
        )
        self.head = make_head(head, self.num_features, num_classes, scale)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (batch, channels, height, width) to logits (batch, C)."""
        return self.head(self.backbone(inputs))

    def features(self, inputs: Tensor) -> Tensor:
        """Map images (batch, channels, height, width) to globally average-pooled features (batch, D)."""
        return pooled(self.backbone(inputs))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Group the parameters from the input to the output: one convolution each, then the head."""
        layers = [[*layer.parameters()] for layer in (*self.backbone, self.head)]
        return [layer for layer in layers if layer]


class Residual(nn.Module):
    """x + f(x).

    Args:
        branch: f, which keeps the shape.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, inputs: Tensor) -> Tensor:
        """Add the branch's output to its input."""
        return inputs + self.branch(inputs)


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3 x 3 convolution that keeps height and width, BatchNorm, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
