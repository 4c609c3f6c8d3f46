"""A trained run traced as a graph of tensor operations, from what its receiver has to class probabilities."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.prepare import Prepare
from lossbench.errors import UserError, one_line
from lossbench.trained.predictor import Predictor


def whole(predictor: Predictor) -> nn.Module:
    """Join what evaluation does to an image with the network: uint8 (n, height, width, 3) to probabilities (n, C)."""
    source = predictor.source
    if not isinstance(source, ImageSource):
        return predictor.network
    prepare = Prepare(source.image_size, source.shorter_side, source.interpolation, source.mean, source.std)
    return nn.Sequential(prepare, predictor.network).eval()


def example(predictor: Predictor, prepared: bool = False) -> Tensor:
    """Make a batch of two examples to trace with.

    Args:
        predictor: a trained run.
        prepared: of images what the model sees, float32 (2, 3, side, side), in place of uint8 pixels.
    """
    source = predictor.source
    if isinstance(source, ImageSource) and not prepared:
        return torch.zeros(2, source.shorter_side + 7, source.shorter_side + 12, 3, dtype=torch.uint8)
    return torch.zeros(2, *predictor.input_shape)


def traced(module: nn.Module, inputs: Tensor, axes: int, about: str) -> ExportedProgram:
    """Trace a module for batches of any size.

    Args:
        module: in evaluation mode.
        inputs: an example.
        axes: how many of the first axes may have another size: the batch, of images also height and width.
        about: the run, for messages.

    Raises:
        UserError: the model cannot be traced.
    """
    try:
        with quiet():
            return torch.export.export(module, (inputs,), dynamic_shapes=(dict.fromkeys(range(axes), Dim.AUTO),))
    except Exception as error:  # torch raises many kinds for what it cannot trace
        raise cannot(about, error) from error


def cannot(about: str, error: Exception) -> UserError:
    """Say that a model cannot be exported, and why."""
    return UserError(
        f"{about} cannot be exported: torch cannot trace its model or its loss ({one_line(error)[:200]}); a model of "
        "your own must not branch on values or on the size of the batch"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what torch prints while it traces off the screen."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch._export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def axes_of(predictor: Predictor) -> int:
    """How many axes of the inputs may have any size: of images the batch, height and width."""
    return 3 if predictor.sees_images else 1
