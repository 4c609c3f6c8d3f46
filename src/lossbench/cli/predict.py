"""Classify new images with a trained run: lossbench predict RUN_DIR IMAGE ... [--top 3]."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossbench.cli.parser import Parser, as_path
from lossbench.data.images.files import find_images
from lossbench.data.images.subset import SUFFIXES
from lossbench.errors import UserError
from lossbench.escaping import csv_text, in_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_atomic
from lossbench.rundir.result import Result

if TYPE_CHECKING:
    from torch import Tensor

    from lossbench.data.images.image_source import ImageSource

BATCH_SIZE = 32


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of an image, the best first; or the reason why it cannot be read.

    Args:
        path: of the image.
        classes: their names.
        probabilities: of these classes, in [0, 1].
        reason: "" for an image that was read.
    """

    path: Path
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    reason: str = ""


def predict(
    run: RunDirectory, paths: Sequence[Path], *, top: int = 1, checkpoint: str | None = None
) -> list[Prediction]:
    """Classify images; the data that the run was trained on are not needed.

    Probabilities are softmax(scale * logits) with the scale that the run fitted on its validation split; of labels any
    number of which may hold, each has its own, sigmoid(logit).

    Args:
        run: a finished run on image data.
        paths: image files.
        top: how many classes to name for each, >= 1.
        checkpoint: last or best; None takes the weights that were tested.

    Returns:
        One prediction for each path, in their order.

    Raises:
        UserError: the run is not done or not about images, or its checkpoint is missing.
    """
    result, source = _result_of(run), _image_source(run)
    classes = list(result.classes)
    probabilities_of = _classifier(run, source, len(classes), _to_probabilities(result), checkpoint)
    predictions: list[Prediction] = []
    for start in range(0, len(paths), BATCH_SIZE):
        read = [_read_image(path, source) for path in paths[start : start + BATCH_SIZE]]
        images = [image for image in read if not isinstance(image, Prediction)]
        rows = iter(probabilities_of(images)) if images else iter(())
        for path, image in zip(paths[start : start + BATCH_SIZE], read, strict=True):
            predictions.append(image if isinstance(image, Prediction) else _best(path, next(rows), classes, top))
    return predictions


def _result_of(run: RunDirectory) -> Result:
    if not (run.path / "config.yaml").exists():
        raise UserError(
            f"{run.path} is not a run directory: it holds no config.yaml; name one such as runs/STUDY/NAME/seed0"
        )
    result = run.result()
    if result is None:
        raise UserError(f"{run.path} is not done; run it with {run.start_command}")
    return result


def _image_source(run: RunDirectory) -> "ImageSource":
    from lossbench.config.facts import build_source
    from lossbench.config.verify import verify_config
    from lossbench.data.images.image_source import ImageSource

    verify_config(run)
    source = build_source(run.config.data.source)
    if not isinstance(source, ImageSource):
        name = run.config.data.name
        raise UserError(f"{run.path} was trained on data={name}, not on image files: it cannot classify images")
    return source


def _best(path: Path, probabilities: "Tensor", classes: Sequence[str], top: int) -> Prediction:
    best = probabilities.topk(min(top, len(classes)))
    names = [classes[int(i)] for i in best.indices.tolist()]
    return Prediction(path, tuple(names), tuple(best.values.tolist()))


def _to_probabilities(result: Result) -> "Callable[[Any, Tensor], Tensor]":
    """How a loss and the model's output, (n, C), become probabilities: of classes, or of each label by itself."""
    if result.facts.get("task") == "multi_label":
        return lambda loss, output: output.double().sigmoid()
    scale = result.scale or 1.0
    return lambda loss, output: (loss.logits(output).double() * scale).softmax(1)


def _classifier(
    run: RunDirectory,
    source: "ImageSource",
    classes: int,
    to_probabilities: "Callable[[Any, Tensor], Tensor]",
    checkpoint: str | None,
) -> "Callable[[list[Tensor]], Tensor]":
    """Load the trained model; gives a function from uint8 images (H, W, 3) to probabilities (n, C)."""
    import torch  # seconds: only now that there is something to do

    from lossbench.data.device_transforms import Normalise

    model, loss = _model(run, source, classes, checkpoint)
    normalise = Normalise(torch.tensor(source.mean), torch.tensor(source.std))

    def probabilities_of(images: "list[Tensor]") -> "Tensor":
        with torch.inference_mode():
            return to_probabilities(loss, model(normalise(torch.stack(images))))

    return probabilities_of


def _model(run: RunDirectory, source: "ImageSource", classes: int, checkpoint: str | None) -> tuple[Any, Any]:
    """The trained model from images to its output, and its loss."""
    from torch import nn

    from lossbench.config.facts import weights_of
    from lossbench.training.loaded import checkpoint_path, from_checkpoint, load_weights
    from lossbench.training.modules import build_backbone, build_model, seeded

    config = replace(run.config, model=from_checkpoint(run.config.model))
    loss = seeded(config.seed, "loss", config.loss, "loss", {"num_classes": classes})
    path = checkpoint_path(run, checkpoint)
    if config.model.backbone is None:
        model = build_model(config, source.input_shape, classes)
        load_weights(model, loss, path)
        return model, loss
    weights = weights_of(run.config.model)
    if weights != config.weights:  # a checkpoint holds the layer behind the backbone alone
        raise UserError(
            f"the pretrained weights of {run.path} have changed since it was planned ({config.weights}, now {weights})"
        )
    backbone: Any = build_backbone(config.model.backbone, source.input_shape, classes)
    model = build_model(config, (backbone.num_features,), classes)
    load_weights(model, loss, path)
    backbone.forward = backbone.features
    return nn.Sequential(backbone, model), loss


def _read_image(path: Path, source: "ImageSource") -> "Tensor | Prediction":
    """Read an image as evaluation does, uint8 (side, side, 3); a prediction with the reason where it cannot be read."""
    import numpy as np

    from lossbench.data.augment import centre_boxes
    from lossbench.data.images.decode import describe
    from lossbench.data.images.reader import decode, resize, shrunk
    from lossbench.data.images.room import room_for

    if path.exists() and not (path.is_file() or path.is_dir()):
        return Prediction(path, reason="is not a regular file")  # a pipe would be waited for
    try:
        content = path.read_bytes()
        found = describe(content, path.name)  # what training would refuse is refused here too
        size = shrunk(np.array([[found.height, found.width]]), source.shorter_side)
        with room_for(found.height * found.width):
            image = resize(decode(content), *size[0].tolist(), interpolation=source.interpolation)
    except (OSError, ValueError) as error:
        return Prediction(path, reason=getattr(error, "strerror", None) or str(error))
    top, left, height, width = centre_boxes(size, source.image_size)[0].tolist()
    return image[:, top : top + height, left : left + width].permute(1, 2, 0)


def files_in(paths: Iterable[Path]) -> list[Path]:
    """Replace folders by the image files below them.

    Raises:
        UserError: a path does not exist, or a folder has no images.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; name image files or folders of them")
        inside = _inside(path) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} has no images ({', '.join(SUFFIXES)})")
        found += inside
    return found


def _inside(folder: Path) -> list[Path]:
    """The images below a folder, as the data sets of files find them."""
    try:
        return [folder / name for name in find_images(folder).images]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be listed: {error.strerror}") from error


def write_predictions(run: RunDirectory, predictions: Iterable[Prediction]) -> Path:
    """Write predictions beside the run's results, in a new file: image, rank, class, probability, reason."""
    rows: list[Sequence[object]] = [("image", "rank", "class", "probability", "reason")]
    for found in predictions:
        best = zip(found.classes, found.probabilities, strict=True)
        rows += [(found.path, rank, name, f"{p:.6g}", "") for rank, (name, p) in enumerate(best, 1)]
        if found.reason:
            rows.append((found.path, "", "", "", found.reason))
    path = run.path / "predicted" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.csv"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_atomic(path, lambda file: file.write(csv_text(rows).encode("utf-8", "surrogateescape")))
    return path


def main(words: Sequence[str] | None = None) -> None:
    """Classify image files and print the most probable classes of each."""
    given = _parser().parse_args(words)
    if given.top < 1:
        raise UserError(f"--top must be >= 1, got {given.top}")
    run = RunDirectory(given.run_dir)
    predictions = predict(run, files_in(given.images), top=given.top, checkpoint=given.checkpoint)
    for found in predictions:
        _print_prediction(found)
    path = write_predictions(run, predictions)
    print(f"written to {path}; probabilities with the scale fitted on the run's validation split")
    if bad := sum(bool(found.reason) for found in predictions):
        raise UserError(f"{bad} of {len(predictions)} images cannot be read; the others are in the file above")


def _parser() -> Parser:
    parser = Parser("predict", __doc__)
    parser.add_argument("run_dir", type=as_path, metavar="RUN_DIR", help="a finished run on image data")
    parser.add_argument("images", nargs="+", type=as_path, metavar="IMAGE", help="image files, or folders of them")
    parser.add_argument("--top", type=int, default=1, help="how many classes to name for each image (default 1)")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that the run tested")
    return parser


def _print_prediction(found: Prediction) -> None:
    if found.reason:
        print(f"{in_line(found.path)}: cannot be read: {in_line(found.reason)}", file=sys.stderr)
        return
    named = zip(found.classes, found.probabilities, strict=True)
    print(f"{in_line(found.path)}  " + "  ".join(f"{in_line(name)} {100 * p:.1f} %" for name, p in named))
