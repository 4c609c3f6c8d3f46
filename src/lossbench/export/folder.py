"""Write a trained run as a folder: its network in one file, card.json, README.md and predict.py, all checked."""

import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

from lossbench.errors import UserError
from lossbench.export.card import card_of
from lossbench.export.formats import format_of
from lossbench.export.graph import cannot
from lossbench.export.page import page
from lossbench.export.script import script
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_json, write_text
from lossbench.trained.new_inputs import probabilities
from lossbench.trained.predictor import Predictor, load_predictor

TOLERANCE = 1e-4
"""Largest difference between the probabilities of the file and of the run."""


def export(
    run: RunDirectory, format_name: str = "torch", output: Path | None = None, checkpoint: str | None = None
) -> tuple[Path, float]:
    """Write a finished classifier as a folder that predicts without lossbench.

    Args:
        run: its directory.
        format_name: torch, onnx or safetensors.
        output: a new folder; None is RUN_DIR/exported/FORMAT.
        checkpoint: last or best; None takes the weights that were tested.

    Returns:
        The folder, and the largest difference between its probabilities and the run's on made-up inputs.

    Raises:
        UserError: the run cannot be exported, the folder exists already, or what was written predicts something else.
    """
    chosen = format_of(format_name)
    folder = output or run.path / "exported" / format_name
    if os.path.lexists(folder):
        raise UserError(f"{folder} exists already; name a new folder with --output")
    predictor = load_predictor(run, checkpoint)
    if run.config.trial:
        raise UserError(f"{run.path} is a trial, which was never tested; name a run of the folder that ends in .tuned")
    card = card_of(predictor, format_name, checkpoint or run.config.evaluate)
    with _beside(folder) as place:
        chosen.write(predictor, place)
        write_json(place / "card.json", card)
        write_text(place / "README.md", page(card))
        write_text(place / "predict.py", script(card))
        return folder, _check(predictor, place)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder beside another one, which takes its name once it is complete."""
    beside = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.tmp")
    try:
        beside.mkdir(parents=True)
        yield beside
        os.rename(beside, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check(predictor: Predictor, folder: Path) -> float:
    """Put made-up inputs through the script and through the run."""
    with _script(folder, str(predictor.run.path)) as predicted:
        largest = 0.0
        for inputs in _inputs(predictor):
            expected = np.array([row for _, row in probabilities(predictor, inputs)])
            largest = max(largest, float(np.abs(predicted(inputs) - expected).max()))
    if not largest <= TOLERANCE:
        raise UserError(
            f"{predictor.run.path} cannot be exported: the file's probabilities differ from the run's by "
            f"{largest:.2g}, and {TOLERANCE:g} is allowed; a model of your own must not depend on the size of the batch"
        )
    return largest


@contextmanager
def _script(folder: Path, about: str) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """The function `probabilities` of a folder's script, as Python runs it there."""
    sys.path.insert(0, str(folder))
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield runpy.run_path(str(folder / "predict.py"))["probabilities"]
    except Exception as error:  # of the network that was written, which may be anybody's own
        raise cannot(about, error) from error
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(str(folder))
        sys.modules.pop("network", None)


def _inputs(predictor: Predictor) -> Iterator[np.ndarray]:
    """Batches of one and of three; images larger and smaller than the network sees them, upright and wide."""
    rng = np.random.default_rng(0)
    if not predictor.sees_images:
        for n in (1, 3):
            yield rng.normal(size=(n, *predictor.input_shape)).astype(np.float32)
        return
    for n, height, width in ((1, 47, 31), (3, 90, 260), (2, 333, 251)):
        yield rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8)
