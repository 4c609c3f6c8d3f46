"""Which runs on images that their model sees as such, not as features, can be trained together. Torch-free."""

from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.data.numbered.encoded import EncodedImages
from lossbench.data.numbered.indexed import IndexedImages

LARGEST_SIDE = 64
"""Pixels: models of larger images fill the processor by themselves."""


def why_not_images(config: RunConfig, source: ImageSource) -> str | None:
    """Say why a run on images cannot be stacked with others, and with what it could be; None where it can."""
    if source.image_size > LARGEST_SIDE:
        return (
            f"data.image_size={source.image_size}: models of large images are as fast one run at a time; "
            f"data.image_size={LARGEST_SIDE} or smaller stacks, and so does model=linear_probe on images"
        )
    if config.figures is True:
        return "figures=true: pictures are drawn of one run at a time; figures=auto stacks, and draws none"
    return _why_not_held(config) or _why_not_crops(config, source)


def _why_not_held(config: RunConfig) -> str | None:
    """A stack holds the images of all replicates, the caches of a run with limits those of its own."""
    if config.replicate is None:
        return None
    for key, off in (("overfit_batches", "0"), ("limit_eval_batches", "null")):
        if value := getattr(config.data, key):
            return f"data.{key}={value}: replicates of images are held as a whole; data.{key}={off} stacks"
    return None


def _why_not_crops(config: RunConfig, source: ImageSource) -> str | None:
    """Crops, and torchvision's transforms, start from whole images: those that lie decoded in memory or in a cache."""
    settings = config.augment.settings if config.augment else {}
    if config.data.cache != "none" or not (settings.get("scale") or settings.get("transforms")):
        return None
    if isinstance(source, IndexedImages) and not isinstance(source, EncodedImages):
        return None
    key = "scale" if settings.get("scale") else "transforms"
    return (
        f"data.cache=none: augment.{key} decodes each image anew in each step; data.cache=disk stacks, and so does "
        "augment=none"
    )
