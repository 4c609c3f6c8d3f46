"""Which models on images are better trained one by one: those that a CPU works on as fast alone."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.training.assemble import Parts

MOST_OPERATIONS = 0.25e9
"""Of convolutions in the forward pass of a batch, on a CPU: above it a stack saves nothing but Lightning's time."""
MOST_PIXELS = 2e9
"""Bytes of decoded images that a stack holds in memory."""


def why_one_by_one(config: RunConfig, parts: Parts, device: torch.device) -> str | None:
    """Say why runs of a group are better trained one by one, and what would stack; None where they are not.

    Args:
        config: of one of the runs.
        parts: of the same run.
        device: where a stack would be trained.
    """
    size = _bytes_of_images(parts)
    if size > MOST_PIXELS:
        return (
            f"data={config.data.name}: its images are {size / 1e9:.1f} GB decoded, which a stack holds in memory; "
            f"at most {MOST_PIXELS / 1e9:g} GB (data.image_size) stack"
        )
    count = config.data.batch_size * operations(parts.model, parts.data.source.input_shape)
    if device.type != "cpu" or count <= MOST_OPERATIONS:
        return None
    return (
        f"model={config.model.name}: {count / 1e9:.2g} billion operations of convolutions in a batch are faster one by "
        f"one on a CPU; at most {MOST_OPERATIONS / 1e9:g} (smaller data.batch_size, data.image_size, model) stack"
    )


def _bytes_of_images(parts: Parts) -> int:
    """Of the decoded images of all splits; 0 where the model sees none."""
    source = parts.data.source
    if not isinstance(source, ImageSource):
        return 0
    return sum(map(len, source.splits.values())) * source.image_size**2 * 3


def operations(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Count multiplications and additions of the convolutions of a model, for one example."""
    if not any(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in model.modules()):
        return 0
    mode, weight = model.training, next(model.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.ones(1, *input_shape, device=weight.device, dtype=weight.dtype))
    model.train(mode)
    return counter.get_flop_counts()["Global"].get(torch.ops.aten.convolution, 0)
