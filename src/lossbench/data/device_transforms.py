"""Transforms of a batch on the device: normalisation, mixup, cutmix and label smoothing."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.data.augment import Augment
from lossbench.data.batch import Batch


class Normalise:
    """Bring uint8 or 0..255 images (b, H, W, 3) to float32 (b, 3, H, W): (value / 255 - mean) / std.

    Args:
        mean: of the three channels, in [0, 1].
        std: of the three channels, > 0.
        channels_last: the memory format of the result.
    """

    def __init__(self, mean: Tensor, std: Tensor, *, channels_last: bool = False) -> None:
        self.factor, self.shift = (1 / (255 * std)).view(3, 1, 1), (-mean / std).view(3, 1, 1)
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise a batch."""
        if self.factor.device != images.device:
            self.factor, self.shift = self.factor.to(images.device), self.shift.to(images.device)
        return (
            images.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.format).mul_(self.factor).add_(self.shift)
        )

    def back(self, inputs: Tensor) -> np.ndarray:
        """Give the images of normalised inputs for people to look at: uint8 (b, H, W, 3)."""
        values = (inputs.float().cpu() - self.shift.cpu()) / self.factor.cpu()
        return values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def soften(batch: Batch, augment: Augment, classes: int, rng: np.random.Generator) -> Batch:
    """Mix the examples of a training batch and smooth its targets.

    mixup: x <- s x_i + (1 - s) x_j, t <- s t_i + (1 - s) t_j, s ~ Beta(mixup, mixup), one s a batch;
    cutmix pastes a rectangle of the share 1 - s of the area instead. Smoothing: t <- (1 - a) t + a / C.
    A mixed example has the weight s w_i + (1 - s) w_j, and its classes the shares s w_i and (1 - s) w_j of it.

    Args:
        batch: inputs (b, ...) and class indices (b,).
        augment: what to do.
        classes: C.
        rng: the batch's own generator.

    Returns:
        The batch with class probabilities (b, C) as targets; unchanged where nothing is to be done.
    """
    if not augment.soft:
        return batch
    target = F.one_hot(batch.target, classes).float()
    inputs, weight, smoothing = batch.inputs, batch.weight, augment.label_smoothing
    kinds = [name for name in ("mixup", "cutmix") if getattr(augment, name) > 0]
    if kinds:
        kind = kinds[rng.integers(len(kinds))]
        alpha = getattr(augment, kind)
        share, order = (
            float(rng.beta(alpha, alpha)),
            torch.from_numpy(rng.permutation(len(target))).to(target.device, non_blocking=True),
        )
        inputs, share = _blend(inputs, order, share) if kind == "mixup" else _paste(inputs, order, share, rng)
        target, weight = _mixed(target, weight, order, share)
    return batch._replace(inputs=inputs, target=(1 - smoothing) * target + smoothing / classes, weight=weight)


def _mixed(target: Tensor, weight: Tensor | None, order: Tensor, share: float) -> tuple[Tensor, Tensor | None]:
    """Mix class probabilities (b, C) by their shares, and by the weights of their examples."""
    if weight is None:
        return share * target + (1 - share) * target[order], None
    own, other = share * weight, (1 - share) * weight[order]
    mixed = own + other
    return (own / mixed)[:, None] * target + (other / mixed)[:, None] * target[order], mixed


def _blend(inputs: Tensor, order: Tensor, share: float) -> tuple[Tensor, float]:
    return share * inputs + (1 - share) * inputs[order], share


def _paste(inputs: Tensor, order: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """Paste a rectangle of the share 1 - s around a uniform centre, cut off at the border; the rest is s."""
    height, width = inputs.shape[-2:]
    half = np.sqrt(1 - share) / 2
    y, x = rng.random() * height, rng.random() * width
    top, bottom = (int(np.clip(round(y + sign * half * height), 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(round(x + sign * half * width), 0, width)) for sign in (-1, 1))
    inputs = inputs.clone()
    inputs[..., top:bottom, left:right] = inputs[order][..., top:bottom, left:right]
    return inputs, 1 - (bottom - top) * (right - left) / (height * width)
