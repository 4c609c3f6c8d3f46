"""Data sets of torchvision, made in the formats in which it keeps them."""

import gzip
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as there
from photos import save_photo

from lossbench.data.checks import check_splits
from lossbench.data.numbered.torchvision import Torchvision, TorchvisionArrays, TorchvisionFiles
from lossbench.data.numbered.torchvision_sets import OTHERS, SETS
from lossbench.data.source import replicated

RNG = np.random.default_rng(0)


def torchvision(root: Path, dataset: str, **settings: Any) -> Any:
    common: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "cache_dir": str(root / "cache")}
    return Torchvision(dataset=dataset, root=str(root), **common, **settings)


def make_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write batches as CIFAR-10 has them, of 20 images each."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {"data": RNG.integers(0, 256, (20, 3072), dtype=np.uint8), "labels": [i % 10 for i in range(20)]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [*"abcdefghij"]}))
    monkeypatch.setattr(there.CIFAR10, "_check_integrity", lambda _: True)  # it knows the hashes of the real ones
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)


def make_mnist(root: Path, letters: int = 10) -> None:
    """Write images and labels as MNIST has them, gzipped or not."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", 50), ("t10k", 20)):
        pixels, labels = RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % letters
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())


def make_dtd(root: Path) -> None:
    """Write images and lists as the Describable Textures have them."""
    for part, first, n in (("train", 0, 8), ("val", 8, 4), ("test", 12, 4)):
        names = [f"{texture}/{texture}_{first + i:04d}.jpg" for texture in ("dotted", "woven") for i in range(n)]
        for i, name in enumerate(names):
            save_photo(root / "dtd" / "dtd" / "images" / name, 100 * first + i, (40, 30))
        labels = root / "dtd" / "dtd" / "labels"
        labels.mkdir(exist_ok=True)
        (labels / f"{part}1.txt").write_text("\n".join(names) + "\n")


def make_eurosat(root: Path) -> None:
    for i in range(30):
        land = ("Forest", "River", "SeaLake")[i % 3]
        save_photo(root / "eurosat" / "2750" / land / f"{land}_{i}.jpg", i, (64, 64))


def test_published_parts_in_memory_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cifar(tmp_path, monkeypatch)
    found = torchvision(tmp_path, "CIFAR10")
    check_splits(found)
    assert isinstance(found, TorchvisionArrays)
    assert found.class_names == tuple("abcdefghij")
    assert found.input_shape == (3, 32, 32)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 80, "val": 20, "test": 20}
    assert replicated(found, 1).splits["test"].ids.tolist() == [f"test-{i}" for i in range(20)]
    image, label = there.CIFAR10(str(tmp_path))[7]
    assert found.pictures(["train-7"])[0].tolist() == np.asarray(image).tolist()
    assert found.pool().targets[7] == label
    assert found.about()[1:] == ["train and test as they are; val held out of train"]


def test_grey_images_are_seen_in_three_channels_and_classes_without_examples_are_named(tmp_path: Path) -> None:
    make_mnist(tmp_path, letters=7)
    found = torchvision(tmp_path, "MNIST")
    check_splits(found)
    assert found.num_classes == 7
    assert found.left_out() == ["classes without examples: 7 - seven, 8 - eight, 9 - nine"]
    assert found.settled() == {"image_size": 28, "resize": 28}
    assert found.opened[3].shape == (28, 28, 3)
    assert "augment=none" in found.about()[-1]


def test_files_keep_their_official_parts(tmp_path: Path) -> None:
    make_dtd(tmp_path)
    found = torchvision(tmp_path, "DTD")
    check_splits(found)
    assert isinstance(found, TorchvisionFiles)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 16, "val": 8, "test": 8}
    assert found.class_names == ("dotted", "woven")
    assert found.splits["test"].ids.tolist()[0] == "dtd/dtd/images/dotted/dotted_0012.jpg"
    assert found.input_shape == (3, 224, 224)
    (tmp_path / found.splits["val"].ids[0]).write_bytes(b"no image")
    assert len(torchvision(tmp_path, "DTD").bad()) == 1


def test_files_without_parts_are_tested_on_folds(tmp_path: Path) -> None:
    make_eurosat(tmp_path)
    found = torchvision(tmp_path, "EuroSAT")
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 19, "val": 5, "test": 6}
    tested = [name for r in range(5) for name in replicated(found, r).splits["test"].ids.tolist()]
    assert len({*tested}) == len(tested) == 30
    assert found.about()[1:] == ["val and test held out of all examples"]


@pytest.mark.parametrize("name", SETS)
def test_torchvision_has_what_is_read_of_it(name: str) -> None:
    listed, known = SETS[name], getattr(there, name)
    signature, source = inspect.signature(known), "".join(map(inspect.getsource, known.__mro__[:-1]))
    for arguments in listed.parts.values():
        variant = {} if listed.variant is None else {listed.variant[0]: listed.variant[1]}
        signature.bind(root="data", download=False, **arguments, **listed.fixed, **variant)
    for each in listed.variant or ():
        assert each in source
    assert (f"self.{listed.labels}" in source and "self.data" in source) or listed.rows is not None


def test_every_data_set_that_torchvision_downloads_is_read_or_known_to_be_none_of_classification() -> None:
    others = "CelebA HMDB51 Kinetics Kitti LFWPairs LFWPeople MovingMNIST Omniglot PCAM PhotoTour SBDataset SBU UCF101"
    others += " Middlebury2014Stereo VOCDetection VOCSegmentation WIDERFace"
    downloads = {
        name
        for name in there.__all__
        if inspect.isclass(known := getattr(there, name)) and "download" in inspect.signature(known).parameters
    }
    assert downloads - {*SETS} <= {*others.split(), *OTHERS}
    assert {*SETS} - {"EMNIST", "QMNIST"} <= downloads  # these pass it on


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for dataset, settings, message in (
        ("CIFAR1O", {}, "dataset=CIFAR1O is not read: did you mean CIFAR10"),
        ("PCAM", {}, "dataset=PCAM is not read: it is one HDF5 file"),
        ("CIFAR10", {"variant": "small"}, "variant=small: CIFAR10 comes in one variant"),
        ("CIFAR10", {}, "torchvision cannot read CIFAR10: Dataset not found .* fetch it with data.download=true"),
        ("EMNIST", {"variant": "lettres"}, "variant=lettres: Unknown value 'lettres' for argument split"),
    ):
        with pytest.raises(ValueError, match=message):
            torchvision(tmp_path, dataset, **settings).fingerprint()
    with pytest.raises(ValueError, match="nowhere is not a folder; name the one with torchvision's DTD"):
        torchvision(tmp_path / "nowhere", "DTD").fingerprint()
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / "MNIST" / "raw" / f"{part}-{kind}-ubyte").write_bytes(gzip.compress(b"damaged"))
    with pytest.raises(ValueError, match="torchvision cannot read MNIST: "):
        torchvision(tmp_path, "MNIST").fingerprint()
