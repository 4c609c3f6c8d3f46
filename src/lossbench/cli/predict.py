"""Classify new images with a trained run: python -m lossbench.cli.predict RUN_DIR IMAGE ... [--top 3]."""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from lossbench.data.images.subset import SUFFIXES, printable
from lossbench.errors import UserError, exit_on_user_error
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_atomic

AT_ONCE = 32
"""Images in a batch."""


@dataclass(frozen=True)
class Answer:
    """What a run says about an image: its most probable classes with their probabilities, the best first; or why it says nothing."""

    path: Path
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    reason: str = ""


def predict(run: RunDirectory, paths: Sequence[Path], *, top: int = 1, checkpoint: str | None = None) -> list[Answer]:
    """Classify images; the data that the run was trained on are not needed.

    Probabilities are softmax(scale * logits) with the scale that the run fitted on its validation split.

    Args:
        run: a finished run on image data.
        paths: image files.
        top: how many classes to name for each, >= 1.
        checkpoint: last or best; None takes the weights that were tested.

    Returns:
        One answer for each path, in their order.

    Raises:
        UserError: the run is not done or not about images, or its checkpoint is missing.
    """
    from lossbench.config.facts import build_source
    from lossbench.config.verify import verify_config
    from lossbench.data.images.source import ImageSource

    if not (run.path / "config.yaml").exists():
        raise UserError(
            f"{run.path} is not a run directory: it holds no config.yaml; name one such as runs/STUDY/NAME/seed0"
        )
    result = run.result()
    if result is None:
        raise UserError(f"{run.path} is not done; run it with python -m lossbench.job {run.path}")
    verify_config(run)
    source = build_source(run.config.data.source)
    if not isinstance(source, ImageSource):
        raise UserError(
            f"{run.path} was trained on data={run.config.data.name}, not on image files: it cannot classify images"
        )

    import torch  # seconds: only now that there is something to do

    from lossbench.data.device_transforms import Normalise

    classes: list[str] = result["classes"]
    model, logits_of = _model(run, source, len(classes), checkpoint)
    normalise = Normalise(torch.tensor(source.mean), torch.tensor(source.std))
    answers: list[Answer] = []
    for start in range(0, len(paths), AT_ONCE):
        chunk = [_look(path, source.image_size, source.shorter_side) for path in paths[start : start + AT_ONCE]]
        images = [image for image in chunk if not isinstance(image, Answer)]
        rows = iter([])
        if images:
            with torch.inference_mode():
                logits = logits_of(model(normalise(torch.stack(images))))
            best = (logits.double() * (result["scale"] or 1.0)).softmax(1).topk(min(top, len(classes)), dim=1)
            rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        for path, image in zip(paths[start : start + AT_ONCE], chunk, strict=True):
            if isinstance(image, Answer):
                answers.append(image)
            else:
                index, probabilities = next(rows)
                answers.append(Answer(path, tuple(classes[i] for i in index), tuple(probabilities)))
    return answers


def _model(run: RunDirectory, source: Any, classes: int, checkpoint: str | None) -> tuple[Any, Any]:
    """The trained model from images to its output, and how the output becomes logits."""
    from torch import nn

    from lossbench.config.facts import weights_of
    from lossbench.training.assemble import build_backbone, build_model, seeded
    from lossbench.training.loaded import checkpoint_path, from_checkpoint, load_weights

    config = replace(run.config, model=from_checkpoint(run.config.model))
    loss = seeded(config.seed, "loss", config.loss, "loss", {"num_classes": classes})
    path = checkpoint_path(run, checkpoint)
    if config.model.backbone is None:
        model = build_model(config, source.input_shape, classes)
        load_weights(model, path)
        return model, loss.logits
    weights = weights_of(run.config.model)
    if weights != config.weights:  # a checkpoint holds the layer behind the backbone alone
        raise UserError(
            f"the pretrained weights of {run.path} have changed since it was planned ({config.weights}, now {weights})"
        )
    backbone: Any = build_backbone(config.model.backbone, source.input_shape, classes)
    model = build_model(config, (backbone.num_features,), classes)
    load_weights(model, path)
    backbone.forward = backbone.features
    return nn.Sequential(backbone, model), loss.logits


def _look(path: Path, side: int, shorter: int) -> Any:
    """Read an image as evaluation sees it, uint8 (side, side, 3); an answer with the reason where it cannot be read."""
    import numpy as np

    from lossbench.data.augment import centre_boxes
    from lossbench.data.images.decode import describe
    from lossbench.data.images.reader import decode, resize, shrunk

    try:
        content = path.read_bytes()
        describe(content, path.name)  # what training would refuse is refused here too
        image = decode(content)
    except (OSError, ValueError) as error:
        return Answer(path, reason=getattr(error, "strerror", None) or str(error))
    size = shrunk(np.array([image.shape[1:]]), shorter)
    top, left, height, width = centre_boxes(size, side)[0].tolist()
    return resize(image, *size[0].tolist())[:, top : top + height, left : left + width].permute(1, 2, 0)


def files_in(paths: Iterable[Path]) -> list[Path]:
    """Replace folders by the image files below them.

    Raises:
        UserError: a path does not exist, or a folder has no images.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; name image files or folders of them")
        inside = sorted(filter(_is_image, path.rglob("*"))) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} has no images ({', '.join(SUFFIXES)})")
        found += inside
    return found


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir() and not path.is_fifo()  # a pipe would be waited for


def write_answers(run: RunDirectory, answers: Iterable[Answer]) -> Path:
    """Write answers beside the run's results, in a new file: image, rank, class, probability, reason."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "rank", "class", "probability", "reason"))
    for answer in answers:
        rows = zip(answer.classes, answer.probabilities, strict=True)
        writer.writerows((answer.path, rank, name, f"{p:.6g}", "") for rank, (name, p) in enumerate(rows, 1))
        if answer.reason:
            writer.writerow((answer.path, "", "", "", answer.reason))
    path = run.path / "predicted" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.csv"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_atomic(path, lambda file: file.write(text.getvalue().encode("utf-8", "surrogateescape")))
    return path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lossbench.cli.predict", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a finished run on image data")
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--top", type=int, default=1, help="how many classes to name for each image (default 1)")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that the run tested")
    given = parser.parse_args()
    if given.top < 1:
        raise UserError(f"--top must be >= 1, got {given.top}")
    run = RunDirectory(given.run_dir)
    answers = predict(run, files_in(given.images), top=given.top, checkpoint=given.checkpoint)
    for answer in answers:
        if answer.reason:
            print(f"{answer.path}: cannot be read: {answer.reason}", file=sys.stderr)
        else:
            named = zip(answer.classes, answer.probabilities, strict=True)
            print(f"{printable(answer.path)}  " + "  ".join(f"{name} {100 * p:.1f} %" for name, p in named))
    print(
        f"written to {write_answers(run, answers)}; probabilities with the scale fitted on the run's validation split"
    )
    if bad := sum(bool(answer.reason) for answer in answers):
        raise UserError(f"{bad} of {len(answers)} images cannot be read; the others are in the file above")


if __name__ == "__main__":
    exit_on_user_error(main)
