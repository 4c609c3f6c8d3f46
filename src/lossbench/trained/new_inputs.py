"""New examples put through a trained run: image files, pixels in memory, arrays."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossbench.data.augment import centre_boxes
from lossbench.data.images.decode import describe
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.reader import decode, resize, shrunk
from lossbench.data.images.room import room_for
from lossbench.data.tables.encoding import encode
from lossbench.data.tables.reading import read_table
from lossbench.errors import UserError, one_line
from lossbench.trained.predicted import Prediction
from lossbench.trained.predictor import Predictor

BATCH_SIZE = 32
HALF = 0.5
Rows = Iterator[tuple[str, np.ndarray | str]]
"""The name of an example, and its class probabilities (C,) or the reason why it cannot be read."""


def predict(predictor: Predictor, inputs: Any, *, top: int | None = None) -> list[Prediction]:
    """Classify new examples.

    Args:
        predictor: a trained run.
        inputs: of a run on images the paths of files, or uint8 pixels (height, width, 3) of each image; of a run on a
            table a file or a frame of polars or pandas; otherwise an array (n, ...) of what the model takes.
        top: how many classes to name for each, >= 1; None names the best one, of classes in order the median
            of the probabilities, or all labels above 0.5.

    Returns:
        One prediction for each example, in their order.

    Raises:
        UserError: top is no whole number >= 1, or the inputs are none that the run takes.
    """
    if top is not None and (not isinstance(top, int) or top < 1):
        raise UserError(f"top must be a whole number >= 1, got {top!r}")
    return [_prediction(predictor, name, found, top) for name, found in probabilities(predictor, inputs)]


def probabilities(predictor: Predictor, inputs: Any) -> Rows:
    """Give the probabilities of all classes for each example; see `predict`."""
    if predictor.columns and not isinstance(inputs, np.ndarray):
        return _of_array(predictor, _encoded(predictor, inputs))
    if not isinstance(predictor.source, ImageSource):
        return _of_array(predictor, inputs)
    return _of_images(predictor, [inputs] if _is_image(inputs) else list(inputs))


def _encoded(predictor: Predictor, rows: Any) -> np.ndarray:
    """Encode rows as those that were trained on: float32 (n, D)."""
    import polars

    try:
        if isinstance(rows, str | PathLike):
            rows = read_table(Path(rows), "file")
        frame = rows if isinstance(rows, polars.DataFrame) else polars.DataFrame(rows)
        return encode(predictor.columns, frame)
    except (ValueError, TypeError, polars.exceptions.PolarsError) as error:
        raise UserError(f"{predictor.run.path}: {one_line(error)}") from error


def read_examples(predictor: Predictor, files: Sequence[Path]) -> Any:
    """Name the table, or read the array, of a run that was not on images.

    Raises:
        UserError: it is not one file, not of this kind, or damaged.
    """
    if predictor.columns:
        if len(files) != 1:
            raise UserError(f"{predictor.run.path} was trained on a table: name one file with new rows")
        return files[0]
    if len(files) != 1 or files[0].suffix != ".npy":
        shape = ", ".join(map(str, ("n", *predictor.input_shape)))
        raise UserError(
            f"{predictor.run.path} was trained on data={predictor.run.config.data.name}, not on image files: name one "
            f".npy file with an array of shape ({shape})"
        )
    try:
        return np.load(files[0], allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{files[0]} cannot be read as an array of NumPy: {one_line(error)}") from error


def _is_image(inputs: Any) -> bool:
    """Whether the inputs are one path or the pixels of one image."""
    return isinstance(inputs, str | PathLike) or np.ndim(getattr(inputs, "shape", ()) and inputs) == 3


def _prediction(predictor: Predictor, name: str, found: np.ndarray | str, top: int | None) -> Prediction:
    if isinstance(found, str):
        return Prediction(name, reason=found)
    best = _predicted(predictor.task, found) if top is None else _ranked(found)[:top]
    return Prediction(name, tuple(predictor.classes[i] for i in best), tuple(found[best].tolist()))


def _predicted(task: str, found: np.ndarray) -> list[int]:
    """The best class, of several labels those above 0.5, of classes in order the median of the probabilities."""
    if task == "ordinal":
        return [min(int((found.cumsum() < HALF).sum()), len(found) - 1)]
    return _ranked(found)[: int((found > HALF).sum()) if task == "multi_label" else 1]


def _ranked(found: np.ndarray) -> list[int]:
    """The classes, the most probable one first."""
    return np.argsort(-found, kind="stable").tolist()


def _of_array(predictor: Predictor, inputs: Any) -> Rows:
    shape = tuple(predictor.input_shape)
    array = np.asarray(inputs)
    if array.dtype.kind not in "fiub" or array.shape[1:] != shape:
        wanted = ", ".join(map(str, ("n", *shape)))
        raise UserError(
            f"{predictor.run.path} takes an array of numbers of shape ({wanted}), got {array.dtype} of shape "
            f"{array.shape}"
        )
    first = 1 if predictor.columns else 0  # rows of a table are called as in training
    numbers = torch.from_numpy(array.astype(np.float32))
    for start in range(0, len(numbers), BATCH_SIZE):
        found = predictor.of(numbers[start : start + BATCH_SIZE])
        yield from ((str(first + k), row) for k, row in enumerate(found, start))


def _of_images(predictor: Predictor, inputs: Sequence[Any]) -> Rows:
    assert isinstance(predictor.source, ImageSource)
    for start in range(0, len(inputs), BATCH_SIZE):
        given = inputs[start : start + BATCH_SIZE]
        read = [_read(each, predictor.source) for each in given]
        images = [image for image in read if isinstance(image, Tensor)]
        found = iter(predictor.of_images(torch.stack(images)) if images else ())
        for k, (each, image) in enumerate(zip(given, read, strict=True), start):
            yield _name(each, k), image if isinstance(image, str) else next(found)


def _name(given: Any, position: int) -> str:
    return str(given) if isinstance(given, str | PathLike) else str(position)


def _read(given: Any, source: ImageSource) -> Tensor | str:
    """Prepare an image as evaluation does, uint8 (side, side, 3); the reason where it cannot be read."""
    if isinstance(given, str | PathLike):
        return _read_file(Path(given), source)
    pixels = np.asarray(given)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise UserError(
            f"an image must be a path or uint8 pixels (height, width, 3), got {type(given).__name__} with "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    return _cropped(torch.from_numpy(np.array(pixels)).permute(2, 0, 1), source)


def _read_file(path: Path, source: ImageSource) -> Tensor | str:
    if path.exists() and not (path.is_file() or path.is_dir()):
        return "is not a regular file"  # a pipe would be waited for
    try:
        content = path.read_bytes()
        found = describe(content, path.name)  # what training would refuse is refused here too
        with room_for(found.height * found.width):
            return _cropped(decode(content), source)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)


def _cropped(image: Tensor, source: ImageSource) -> Tensor:
    """Resize and crop uint8 (3, height, width) as evaluation does: uint8 (side, side, 3)."""
    size = shrunk(np.array([image.shape[1:]]), source.shorter_side)
    top, left, height, width = centre_boxes(size, source.image_size)[0].tolist()
    image = resize(image, *size[0].tolist(), interpolation=source.interpolation)
    return image[:, top : top + height, left : left + width].permute(1, 2, 0)
