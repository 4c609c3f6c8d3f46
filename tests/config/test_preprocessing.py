"""Null settings of images become those that the pretrained network saw; what is typed stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossbench.cli.evaluate import _other_data
from lossbench.config.preprocessing import LITE0, PLAIN, seen_by, with_preprocessing
from lossbench.config.weights_files import LITE0_SHA256
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.identity import identity

Plan = Callable[..., RunDirectory]
KEYS = (*PLAIN, "resize")
FAKE = ("data=fake_images", "loss=cross_entropy")
HALF = [0.5, 0.5, 0.5]


def seen(run: RunDirectory) -> tuple[Any, ...]:
    return tuple(run.record["data"][key] for key in KEYS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), (224, PLAIN["mean"], PLAIN["std"], "bilinear", None)),
        (("features=lite0",), (224, HALF, HALF, "bicubic", None)),
        (("features=lite0", "model=finetune"), (224, HALF, HALF, "bicubic", None)),
        (("features=lite0", "model.backbone.pretrained=false"), (224, PLAIN["mean"], PLAIN["std"], "bilinear", None)),
        (
            ("features=lite0", "model/backbone=resnet50", "model.backbone.pretrained=false"),
            (224, PLAIN["mean"], PLAIN["std"], "bilinear", None),
        ),
        (
            ("features=lite0", "data.mean=[0.1,0.2,0.3]", "data.image_size=96", "data.interpolation=bilinear"),
            (96, [0.1, 0.2, 0.3], HALF, "bilinear", None),
        ),
    ],
)
def test_images_are_seen_as_the_network_saw_them_unless_typed(
    planned: Plan, words: tuple[str, ...], expected: tuple[Any, ...]
) -> None:
    run = planned(*FAKE, *words)
    assert seen(run) == expected
    lite0 = "features=lite0" in words and "pretrained=false" not in "".join(words)
    assert run.record["weights"] == ({"sha256": LITE0_SHA256} if lite0 else None)


def test_timm_says_how_its_networks_saw_images() -> None:
    timm = pytest.importorskip("timm")
    published = timm.get_pretrained_cfg("tf_efficientnet_lite0")
    assert (LITE0["image_size"], LITE0["interpolation"]) == (published.input_size[1], published.interpolation)
    assert tuple(LITE0["mean"]) == published.mean
    assert tuple(LITE0["std"]) == published.std
    model = {"name": "vit_base_patch16_384", "_target_": "lossbench.models.timm.Timm", "pretrained": True}
    data = {"_target_": "x.Images", **dict.fromkeys(KEYS)}
    filled = with_preprocessing(data, seen_by(model))
    assert tuple(filled[key] for key in KEYS) == (384, HALF, HALF, "bicubic", 384)  # it saw whole squares
    assert with_preprocessing({**data, "image_size": 192}, seen_by(model))["resize"] == 192
    assert with_preprocessing({**data, "image_size": 32}, seen_by(model))["resize"] is None
    assert seen_by({**model, "pretrained": False}) == seen_by({**model, "name": "no_such_model"}) == {}


def test_all_of_a_network_trained_is_that_network_pretrained(planned: Plan) -> None:
    features, typed = (
        planned(*FAKE, *words).record
        for words in (("features=resnet18", "model=finetune"), ("model=resnet18", "model.pretrained=true"))
    )
    assert identity(features) == identity(typed)
    assert features["augment"]["flip"] == 0.5


def test_other_data_are_seen_as_the_run_saw_its_own(planned: Plan) -> None:
    run = planned(*FAKE, "features=lite0", "data.image_size=128", "data.resize=160")
    other = _other_data(["data=fake_images", "data.n_test=5"], run.record["data"], None).source.settings
    assert tuple(other[key] for key in KEYS) == seen(run)
    typed = _other_data(["data=fake_images", "data.image_size=64"], run.record["data"], None).source.settings
    assert (typed["image_size"], typed["resize"], typed["mean"]) == (64, None, HALF)


def test_features_of_what_is_no_image_are_refused(planned: Plan, tmp_path: Path) -> None:
    np.savez(tmp_path / "flat.npz", X=np.random.default_rng(0).normal(size=(40, 3)), y=np.arange(40) % 2)
    with pytest.raises(
        UserError, match=r"^model=linear_probe learns on features of images, and data=arrays holds none"
    ):
        planned("data=arrays", f"data.path={tmp_path / 'flat.npz'}", "features=lite0")


def test_own_images_are_seen_as_the_network_saw_them_too(
    planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own_seen.py").write_text(
        "from dataclasses import dataclass\nfrom lossbench.data.images.fake import FakeImages\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Own(FakeImages):\n    image_size: int = 64\n"
    )
    words = ("data=custom", "data.target=own_seen.Own", "loss=cross_entropy", "augment=none")
    run = planned(*words, "features=lite0")
    assert run.record["data"]["mean"] == HALF
    assert "image_size" not in run.record["data"]  # its own default stays
    assert "mean" not in planned(*words, "model=resnet18").record["data"]
