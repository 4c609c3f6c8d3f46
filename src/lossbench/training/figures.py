"""Figures of a run: training images as the model gets them, its mistakes, and how reliable its probabilities are."""

import logging
from collections.abc import Iterable

import numpy as np
import torch
from matplotlib.figure import Figure
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from torch import Tensor

from lossbench.data.batch import Batch
from lossbench.data.images.image_source import ImageSource
from lossbench.data.module import DataModule
from lossbench.data.order import Draw, uses_of
from lossbench.data.source import ONE_CLASS, Source
from lossbench.plots.confusion import draw_confusion
from lossbench.plots.curves import save_figure
from lossbench.plots.examples import draw_images, draw_mistakes, to_array
from lossbench.plots.reliability import draw_reliability
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write
from lossbench.training.assemble import Parts
from lossbench.training.evaluation import Evaluation, at_progress

log = logging.getLogger(__name__)

SHOWN = 32
"""Images in a grid."""


def show_training(run: RunDirectory, parts: Parts, loggers: Iterable[Logger], device: torch.device) -> None:
    """Draw the first training images as the model gets them on its device: augmented.png."""
    data = parts.data
    if not isinstance(data.source, ImageSource):
        return
    first = data.batches().batch(0)
    dataset = data.dataset("train", training=True)
    batch: Batch = dataset.__getitems__(Draw(first[:SHOWN], uses_of(first)[:SHOWN]))  # pyright: ignore[reportAttributeAccessIssue] - ours all have it
    batch = data.device_transforms(batch.on(device), "train", step=(0, 0))
    images = data.normalise.back(batch.inputs)  # pyright: ignore[reportOptionalMemberAccess] - images have one
    figure = draw_images(
        images, _names(batch.target, data.source), f"training images of the first batch, seed {data.seed}"
    )
    _publish(figure, "augmented", run, loggers, 0)


def _names(target: Tensor, source: Source) -> list[str]:
    """Name the class of each image, of mixed images the first one, or all labels."""
    names = source.class_names
    if source.task == "multi_label":
        return [", ".join(names[k] for k in row.nonzero()[:, 0].tolist()) for row in target]
    return [names[int(y)] for y in (target.argmax(1) if target.is_floating_point() else target)]


def show_test(
    run: RunDirectory, parts: Parts, evaluation: Evaluation, scale: float | None, loggers: Iterable[Logger], step: int
) -> None:
    """Draw the most confident mistakes, the confusion matrix and the reliability diagram of a classifier's test."""
    if parts.source.task not in ONE_CLASS:
        return
    logits = at_progress(parts.loss, 1.0).logits(evaluation.output).double()
    target = evaluation.target.numpy()
    if not logits.isfinite().all():
        log.warning("no pictures of the test: the model's outputs are not finite")
        return
    predicted, names = logits.argmax(1).numpy(), parts.data.source.class_names
    correct, confidence = predicted == target, _confidence(logits, scale or 1.0)
    curves = {"raw": (_confidence(logits, 1.0), correct)}
    if scale is not None:
        curves["scale fitted on val"] = (confidence, correct)
    _publish(draw_confusion(target, predicted, names), "confusion", run, loggers, step)
    _publish(draw_reliability(curves, f"test, n = {len(target)}"), "reliability", run, loggers, step)
    if isinstance(parts.source, ImageSource):
        _publish(_mistakes(parts, confidence, predicted, target), "mistakes", run, loggers, step)


def _confidence(logits: Tensor, scale: float) -> np.ndarray:
    return (logits * scale).softmax(1).amax(1).clamp(max=1.0).numpy()  # rounding can pass 1


def _mistakes(parts: Parts, confidence: np.ndarray, predicted: np.ndarray, target: np.ndarray) -> Figure:
    wrong = np.flatnonzero(predicted != target)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN]
    source = parts.source
    assert isinstance(source, ImageSource)
    pixels = seen(DataModule(source, 0, 1), "test", worst.tolist()) if len(worst) else np.zeros((0, 8, 8, 3), np.uint8)
    return draw_mistakes(
        pixels, target[worst], predicted[worst], confidence[worst], source.class_names, len(wrong), len(target)
    )


def seen(data: DataModule, stage: str, positions: list[int]) -> np.ndarray:
    """Give images as evaluation sees them: uint8 (n, side, side, 3)."""
    pixels: Tensor = data.dataset(stage).__getitems__(positions).inputs  # pyright: ignore[reportAttributeAccessIssue] - an ImageDataset
    return pixels.numpy()


def _publish(figure: Figure, name: str, run: RunDirectory, loggers: Iterable[Logger], step: int) -> None:
    folder = run.path / "figures"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    save_figure(figure, folder / f"{name}.png")
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, torch.from_numpy(to_array(figure)), step, dataformats="HWC")
    log.info("drew %s", folder / f"{name}.png")
