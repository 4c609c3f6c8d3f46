"""Data sets that `datasets` opens, made in the formats that it reads: folders of images, Parquet, what it has saved."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from photos import save_photo

from lossbench.data.checks import check_splits
from lossbench.data.images.reader import reader_of
from lossbench.data.numbered.huggingface import HuggingFace
from lossbench.data.source import replicated


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep its caches in the test's folder, its bars off the screen, and the network out of reach."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def source(path: Path | str, **settings: Any) -> HuggingFace:
    common: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return HuggingFace(path=str(path), **common, **settings)


def rows(folder: Path, n: int, first: int = 0) -> dict[str, list[Any]]:
    """Columns of images of 30 x 40 pixels, two kinds of labels and text."""
    files = [folder / "photos" / f"{first + i}.png" for i in range(n)]
    for i, file in enumerate(files):
        save_photo(file, first + i, (40, 30))
    return {
        "picture": [{"path": None, "bytes": file.read_bytes()} for file in files],
        "species": [i % 3 for i in range(n)],
        "coarse": [i % 2 for i in range(n)],
        "caption": [f"no. {i}" for i in range(n)],
    }


FEATURES = datasets.Features(
    {
        "picture": datasets.Image(),
        "species": datasets.ClassLabel(names=["ant", "bee", "cow"]),
        "coarse": datasets.ClassLabel(names=["insect", "other"]),
        "caption": datasets.Value("string"),
    }
)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """A folder with train and test as Parquet files, as the hub has them."""
    folder = tmp_path / "animals"
    for split, n, first in (("train", 30, 0), ("test", 9, 30)):
        table = datasets.Dataset.from_dict(rows(tmp_path, n, first), features=FEATURES)
        (folder / "data").mkdir(parents=True, exist_ok=True)
        table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def test_a_folder_of_images_is_read_as_datasets_reads_it(tmp_path: Path) -> None:
    for i in range(20):
        save_photo(tmp_path / "pets" / "train" / ("cat", "dog")[i % 2] / f"{i}.jpg", i, (60, 50))
        save_photo(tmp_path / "pets" / "validation" / ("cat", "dog")[i % 2] / f"{i}.jpg", 100 + i, (60, 50))
    found = source(tmp_path / "pets", cache_dir=str(tmp_path / "lossbench"))
    check_splits(found)
    assert found.class_names == ("cat", "dog")
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 16, "val": 20, "test": 4}
    assert found.settled()["image_size"] == 50
    split = found.splits["val"]
    read = reader_of(found, split).read(3).permute(1, 2, 0).numpy()
    assert np.abs(read.astype(int) - found.pictures([split.ids[3]])[0]).max() <= 3  # two decoders of JPEG


def test_parquet_files_have_their_parts_and_columns_by_name(parquet: Path, tmp_path: Path) -> None:
    settings = {"target": "species", "cache_dir": str(tmp_path / "lossbench")}
    found = source(parquet, **settings)
    check_splits(found)
    assert found.class_names == ("ant", "bee", "cow")
    assert found.input_shape == (3, 30, 30)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 24, "val": 6, "test": 9}
    assert replicated(found, 2).splits["test"].ids.tolist() == [f"test-{i}" for i in range(9)]
    assert found.left_out() == ["columns that are not used: coarse, caption"]
    assert found.about()[1:] == [
        "train and test as they are; val held out of train",
        "images of column picture, labels of column species",
    ]
    remembered = [*(tmp_path / "lossbench" / "inspected").iterdir()]
    again = source(parquet, **settings)
    assert again.fingerprint() == found.fingerprint()
    assert [*(tmp_path / "lossbench" / "inspected").iterdir()] == remembered
    one = source(parquet / "data" / "train-00000-of-00001.parquet", **settings)
    assert {name: len(split) for name, split in one.splits.items()} == {"train": 19, "val": 5, "test": 6}


def test_unreadable_images_are_named_or_left_out(tmp_path: Path) -> None:
    columns = rows(tmp_path, 20)
    columns["picture"][4] = {"path": None, "bytes": b"\xff\xd8\xff no image"}
    columns["picture"][5] = None
    folder = tmp_path / "saved"
    datasets.DatasetDict({"full": datasets.Dataset.from_dict(columns, features=FEATURES)}).save_to_disk(folder)
    settings: dict[str, Any] = {"target": "coarse", "cache_dir": str(tmp_path / "lossbench")}
    with pytest.raises(ValueError, match=r"2 of 20 images cannot be read, the first is train-4 \("):
        source(folder, **settings).fingerprint()
    found = source(folder, **settings, on_bad_image="skip")
    check_splits(found)
    assert sorted(found.pool().ids.tolist(), key=lambda name: int(name[6:])) == [
        f"train-{i}" for i in range(20) if i not in (4, 5)
    ]
    assert "2 images cannot be read (data.on_bad_image=skip)" in found.left_out()
    assert found.pool().targets.tolist() == [i % 2 for i in range(20) if i not in (4, 5)]


def test_a_part_without_labels_is_not_used(tmp_path: Path) -> None:
    test = {**rows(tmp_path, 6, 30), "species": [-1] * 6}
    saved = datasets.DatasetDict(
        {
            "train": datasets.Dataset.from_dict(rows(tmp_path, 30), features=FEATURES),
            "test": datasets.Dataset.from_dict(test, features=FEATURES),
        }
    )
    saved.save_to_disk(tmp_path / "saved")
    found = source(tmp_path / "saved", target="species", cache_dir=str(tmp_path / "lossbench"))
    assert found.left_out()[1] == "test has no labels"
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 19, "val": 5, "test": 6}


def test_lists_of_labels_are_several_labels_an_example(tmp_path: Path) -> None:
    columns = rows(tmp_path, 20)
    features = datasets.Features({**FEATURES, "tags": datasets.List(datasets.ClassLabel(names=["red", "big"]))})
    columns["tags"] = [[], [0], [1], [0, 1]] * 5
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "saved")
    found = source(tmp_path / "saved", target="tags", cache_dir=str(tmp_path / "lossbench"))
    check_splits(found)
    assert found.task == "multi_label"
    assert found.pool().targets[:4].tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert reader_of(found, found.splits["train"]).read(0).shape == (3, 40, 30)


def test_parts_that_number_their_classes_differently_are_refused(tmp_path: Path) -> None:
    parts = {}
    for split, names in (("train", ["ant", "bee", "cow"]), ("test", ["bee", "ant", "cow"])):
        features = datasets.Features({**FEATURES, "species": datasets.ClassLabel(names=names)})
        parts[split] = datasets.Dataset.from_dict(rows(tmp_path, 9, 0), features=features)
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match="target=species: test has other classes than train, or in another order"):
        source(tmp_path / "saved", target="species", cache_dir=str(tmp_path / "lossbench")).fingerprint()


def test_what_does_not_fit_is_named(parquet: Path, tmp_path: Path) -> None:
    for path, settings, message in (
        (parquet, {}, "there are several columns of labels: species, coarse; choose with data.target=COLUMN"),
        (parquet, {"target": "specie"}, "target=specie is no column; did you mean species?"),
        (parquet, {"target": "species", "image": "caption"}, "image=caption is no column of images but of Value"),
        (parquet, {"split_names": {"train": "full"}}, "there is no split full; Available: test, train"),
        (parquet, {"split_names": {"test": "test"}}, "split_names must be such as"),
        (tmp_path / "nowhere", {}, "nowhere does not exist; name a folder, a Parquet file, or a data set of the hub"),
        ("lossbench/no_such_set", {}, "no_such_set: datasets cannot open it: .*; name a folder or a Parquet file"),
    ):
        with pytest.raises(ValueError, match=message):
            source(path, **settings, cache_dir=str(tmp_path / "lossbench")).fingerprint()
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("raise SystemExit('code of a data set was run')\n")
    with pytest.raises(ValueError, match="datasets cannot open it: "):
        source(tmp_path / "script").fingerprint()


def test_without_the_package_it_is_said_how_to_install_it(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"needs the package datasets .* pip install 'lossbench\[datasets\]'"):
        source(parquet).fingerprint()
