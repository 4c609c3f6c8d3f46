"""Runs trained on made-up image files, which are deleted afterwards but for copies of the tested ones."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from conftest import plan_run
from odd_files import encode
from PIL import Image

import lossbench
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory

CLASSES = ("cat", "dog", "emu")


def write_images(root: Path) -> None:
    """Noise of a tint for each class, larger than the model sees it, neither square nor all plain JPEG."""
    rng = np.random.default_rng(0)
    for k, label in enumerate(CLASSES):
        (root / label).mkdir(parents=True)
        for i in range(15):
            pixels = rng.integers(0, 160, (26 + i, 45 - i, 3))
            pixels[..., k] += 95
            image = Image.fromarray(pixels.astype(np.uint8))
            exif = Image.Exif()
            exif[0x0112] = 6
            content = [
                lambda image=image: encode(image, "JPEG", quality=95),
                lambda image=image, exif=exif: encode(image, "JPEG", exif=exif),
                lambda image=image: encode(image, "PNG"),
                lambda image=image: encode(image.convert("CMYK"), "JPEG"),
                lambda image=image: encode(image.convert("L"), "JPEG"),
            ][i % 5]()
            (root / label / f"{i}.jpg").write_bytes(content)
    (root / "cat" / "bad.jpg").write_bytes(b"no image")


@dataclass(frozen=True)
class Trained:
    """A finished run whose training data were deleted, and what it said about its validation and test images."""

    run: RunDirectory
    loaded: lossbench.LoadedRun
    images: list[Path]
    probabilities: np.ndarray
    targets: np.ndarray
    parts: dict[str, slice]
    nll: dict[str, float]


def train(folder: Path, *overrides: str) -> Trained:
    write_images(folder / "images")
    where = (f"data.root={folder / 'images'}", f"data.cache_dir={folder / 'cache'}", "data.on_bad_image=skip")
    small = (
        "data.image_size=16",
        "data.resize=20",
        "data.batch_size=8",
        "data.num_workers=0",
        "trainer.max_epochs=2",
        "optimizer.lr=0.003",
    )
    run = plan_run(
        folder / "runs",
        "data=image_folder",
        *where,
        *small,
        "trainer=cpu",
        "figures=false",
        "loss=cosine_xent",
        *overrides,
    )
    result = start(run)
    loaded = lossbench.load(run.path)
    saved = loaded.predictions
    outputs = torch.from_numpy(np.concatenate([saved["val_outputs"], saved["test_outputs"]]))
    probabilities = (loaded.parts.loss.logits(outputs).double() * result.scale).softmax(1).numpy()
    again = {split: loaded.evaluate(split)["nll_scaled"].value for split in ("val", "test")}
    assert sum(result.facts["skipped_images"].values()) == 1
    names = [*saved["val_ids"].tolist(), *saved["test_ids"].tolist()]
    paths = []
    for name in names:
        (folder / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        paths.append(Path(shutil.copy(folder / "images" / name, folder / "new" / name)))
    shutil.rmtree(folder / "images")
    shutil.rmtree(folder / "cache")
    parts = {"val": slice(len(saved["val_ids"])), "test": slice(len(saved["val_ids"]), None)}
    return Trained(
        run, loaded, paths, probabilities, np.concatenate([saved["val_targets"], saved["test_targets"]]), parts, again
    )
