"""Features of several crops: which training sees when, in both engines, and what they are stored as."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import plan_run
from counted import Counting, N, fake, photos
from run_files import result_of, rows

from lossbench.config.sections import Features
from lossbench.data.images.crops import Crops, CropViews
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.reader import reader_of, resize
from lossbench.data.module import DataModule
from lossbench.data.source import replicated
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.identity import identity_hash
from lossbench.training.features.source import FeatureSource, features_of, missing_features
from lossbench.training.features.work import stored
from lossbench.vectorized.launch.stacks import run_stacked

VIEWS = Features(views=3, scale=(0.2, 0.6), flip=0.5)
IMAGES = (
    "data=fake_images",
    "data.image_size=16",
    "data.height=16",
    "data.width=20",
    "data.classes=3",
    "figures=false",
)
PROBE = (*IMAGES, "model=linear_probe", "model.backbone.pretrained=false", "trainer=cpu", "log_every_n_steps=1")
SHORT = ("data.n_train=40", "data.n_val=12", "data.n_test=13", "data.batch_size=8", "trainer.max_epochs=4")


def of(source: ImageSource, backbone: Counting, settings: Features = VIEWS, **loading: Any) -> FeatureSource:
    return features_of(backbone, DataModule(source, 0, 4, **loading), "cpu", settings)


def hand_made(source: ImageSource, stage: str, settings: Features) -> np.ndarray:
    """The features of each image's random crops, one by one: (n, V, D)."""
    data, found, count = DataModule(source, 0, 4), [], settings.views - 1
    split = data.split(stage)
    reader, crops = reader_of(source, split), Crops(count, settings.scale, settings.flip)
    views = CropViews(reader.sizes, *source.sides, source.digests(split), crops)
    for position, view in enumerate(views.choose([*range(count * len(split))], 0).tolist()):
        top, left, height, width, flip = view[:5]
        crop = reader.read(position // count)[:, top : top + height, left : left + width]
        image = resize(crop, source.image_size, source.image_size)
        pixels = (image.flip(2) if flip else image).permute(1, 2, 0)[None].float()
        assert data.normalise is not None
        found.append(Counting().features(data.normalise(pixels))[0].detach().numpy())
    return np.stack(found).reshape(len(split), count, -1)


@pytest.mark.parametrize("make", [fake, photos])
def test_random_crops_are_those_of_the_content_and_computed_once(
    make: Callable[[Path], ImageSource], tmp_path: Path
) -> None:
    backbone, source = Counting(), make(tmp_path)
    for r in range(3):
        features = of(replicated(source, r), backbone)
        train = features.splits["train"]
        assert train.forms is not None
        expected = hand_made(replicated(source, r), "train", VIEWS)
        np.testing.assert_allclose(train.forms.table[train.forms.rows[:, 1:]], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(train.forms.table[train.forms.rows[:, 0]], train.inputs)
    assert backbone.seen == N * VIEWS.views
    assert missing_features(backbone, DataModule(replicated(source, 4), 0, 4), VIEWS) == 0
    of(replicated(source, 0), backbone, replace(VIEWS, views=5))
    assert backbone.seen == N * 5  # the first crops are the same
    assert missing_features(backbone, DataModule(source, 0, 4), replace(VIEWS, flip=0.0)) == 2 * len(
        source.splits["train"]
    )


def test_crops_come_from_any_cache(tmp_path: Path) -> None:
    source = photos(tmp_path)
    disk, device = (of(source, Counting(), cache=cache).splits["train"].forms for cache in ("disk", "gpu"))
    assert disk is not None
    assert device is not None
    np.testing.assert_allclose(disk.table, device.table, atol=0.05)  # uint8 pixels are rounded on the way
    assert np.abs(disk.table - disk.table[::-1]).max() > 0.5


def test_each_pass_sees_another_form_and_evaluation_the_centre(tmp_path: Path) -> None:
    features = of(fake(tmp_path), Counting())
    data = DataModule(features, 7, 4)
    train = features.splits["train"]
    assert train.forms is not None
    seen: dict[int, list[int]] = {}
    loader = data.train_dataloader()
    for _ in range(VIEWS.views):
        for batch in loader:
            for position, given in zip(batch.position.tolist(), batch.inputs.numpy(), strict=True):
                forms = train.forms.table[train.forms.rows[position]]
                seen.setdefault(position, []).append(int(np.flatnonzero((forms == given).all(1))[0]))
    assert {tuple(sorted(forms)) for forms in seen.values() if len(forms) == VIEWS.views} == {(0, 1, 2)}
    assert len({tuple(forms) for forms in seen.values()}) > 1
    evaluated = torch.cat([batch.inputs for batch in data.evaluation_loader("train")])
    assert np.array_equal(evaluated.numpy(), train.inputs)
    assert DataModule(features, 7, 4, overfit_batches=2).split("val").forms is not None  # and evaluation ignores them


@pytest.mark.parametrize(
    ("units", "batch", "dtype"),
    [
        (("seed=0", "seed=1"), 8, "float32"),
        (("seed=0",), 512, "bfloat16"),
        (("replicate=0",), 8, "float16"),
        (("replicate=0", "replicate=3"), 8, "bfloat16"),
        (("replicate=0", "replicate=3"), 512, "float32"),
    ],
)
def test_a_stack_sees_the_same_forms_as_its_runs(
    units: tuple[str, ...], batch: int, dtype: str, tmp_path: Path
) -> None:
    words = (*PROBE, *SHORT, f"data.batch_size={batch}", "features.views=3", f"data.cache_dir={tmp_path}")
    words += (f"features.dtype={dtype}",)
    planned = [plan_run(tmp_path / "stacked", *words, unit) for unit in units]
    run_stacked(planned, SweepProgress({each: each.path.name for each in planned}, planned, "test/accuracy"))
    for unit, together in zip(units, planned, strict=True):
        alone = plan_run(tmp_path / "alone", *words, unit)
        start(alone)
        assert result_of(together).engine == "vectorized"
        assert result_of(together).metrics == pytest.approx(result_of(alone).metrics, rel=1e-4, abs=1e-4)
        losses = dict(rows(alone, "train/loss"))
        assert dict(rows(together, "train/loss")) == pytest.approx(losses, rel=1e-4)
        assert len(losses) >= 4


def test_stored_in_half(tmp_path: Path) -> None:
    numbers = torch.tensor([[1.0, 1 + 2**-9, -70000.0, 3e-8]])
    assert stored(numbers, "uint16").tobytes() == numbers.bfloat16().view(torch.int16).numpy().tobytes()
    assert stored(numbers[:, :2], "float16").dtype == np.float16
    with pytest.raises(UserError, match=r"features\.dtype=float16 holds numbers up to 65,504"):
        stored(numbers, "float16")
    source, sizes = fake(tmp_path), {}
    for dtype in ("float32", "float16"):
        features = of(source, Counting(width=512), replace(VIEWS, dtype=dtype))
        sizes[dtype] = features.splits["train"].inputs.nbytes
        assert DataModule(features, 0, 4).dataset("train", training=True)[0:4].inputs.dtype == torch.float32
    assert sizes["float16"] * 2 == sizes["float32"]


def test_the_section_is_part_of_the_identity_where_it_says_something(planned: Callable[..., Any]) -> None:
    def digest(*words: str) -> str:
        return identity_hash(planned(*PROBE, *SHORT, *words).config.record)

    plain = planned(*PROBE, *SHORT).config.record
    assert identity_hash({key: value for key, value in plain.items() if key != "features"}) == identity_hash(plain)
    different = [(), ("features.views=2",), ("features.dtype=float16",), ("features.views=2", "features.flip=0")]
    assert len({digest(*words) for words in different}) == 4


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("data=digits", "features.views=4"), r"features\.views=4 is about the features of a frozen backbone, and"),
        ((*PROBE, "features.flip=0"), r"features\.flip=0 is about random crops, and features\.views=1 has"),
        ((*PROBE, "features.views=2", "features.scale=[0.5,0.2]"), r"features\.scale must be two numbers"),
    ],
)
def test_what_says_nothing_is_refused(words: tuple[str, ...], line: str, planned: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=line):
        planned(*words)
