"""Oxford-IIIT Pet as torchvision reads it, in the official split or a drawn one."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from odd_files import photos
from torchvision.datasets import OxfordIIITPet
from torchvision.datasets import oxford_iiit_pet as torchvisions

from lossbench.data.images.pets import FOLDER, Pets
from lossbench.data.source import SPLITS
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory

# As in the annotations: class ids follow the alphabet without regard to capitals; cats have capitals.
BREEDS = {"Abyssinian": 1, "american_bulldog": 2, "american_pit_bull_terrier": 3, "Bengal": 4, "yorkshire_terrier": 5}
EXTRA = ["Bengal_999", "yorkshire_terrier_777"]  # as in the real archive: images that no list names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A miniature in the official layout: 6 images to learn from and 4 to test on of each breed, and two more."""
    base = tmp_path / "data" / FOLDER
    annotated = {
        part: [(f"{breed}_{i}", breed) for breed in BREEDS for i in numbers] for part, numbers in PARTS.items()
    }
    photos(
        base / "images",
        [*(f"{name}.jpg" for part in annotated.values() for name, _ in part), *(f"{name}.jpg" for name in EXTRA)],
    )
    (base / "images" / "Abyssinian_100.mat").write_text("not an image")
    (base / "annotations").mkdir()
    for part, rows in annotated.items():
        lines = [f"{name} {BREEDS[breed]} {1 if breed[0].isupper() else 2} 1\n" for name, breed in rows[::-1]]
        (base / "annotations" / f"{part}.txt").write_text("".join(lines))
    return tmp_path / "data"


PARTS = {"trainval": (1, 10, 100, 101, 2, 20), "test": (3, 30, 11, 201)}


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Callable[..., Pets]:
    return lambda **given: Pets(**{"root": str(root), "cache_dir": str(tmp_path / "cache"), **given})


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises((ValueError, UserError)) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def images_of(data: OxfordIIITPet) -> dict[str, int]:
    """File -> class index, as torchvision gives them."""
    return {f"images/{path.name}": label for path, label in zip(data._images, data._labels, strict=True)}


def test_the_official_split_is_torchvisions(source: Callable[..., Pets], root: Path) -> None:
    found = source()
    theirs = {part: OxfordIIITPet(str(root), split=part) for part in ("trainval", "test")}
    ours = {
        name: dict(zip(split.ids.tolist(), split.targets.tolist(), strict=True)) for name, split in found.splits.items()
    }
    assert list(found.class_names) == theirs["trainval"].classes == theirs["test"].classes
    assert found.class_names[2] == "American Pit Bull Terrier"
    assert not {*ours["train"]} & {*ours["val"]}
    assert {**ours["train"], **ours["val"]} == images_of(theirs["trainval"])
    assert ours["test"] == images_of(theirs["test"])
    assert [len(ours[name]) for name in SPLITS] == [25, 5, 20]
    assert found.facts()["split"] == "official"


def test_what_is_held_out_of_trainval_is_the_same_share_of_each_breed(source: Callable[..., Pets]) -> None:
    for fraction, share in ((0.2, 1), (0.5, 3)):
        parts = [source(val_fraction=fraction, split_seed=seed) for seed in (0, 1)]
        assert parts[0].listed.files["val"] != parts[1].listed.files["val"]
        assert parts[0].listed.files["test"] == parts[1].listed.files["test"]
        assert all(sorted(part.listed.targets["val"]) == sorted([*range(5)] * share) for part in parts)


def drawn(source: Callable[..., Pets], seed: int) -> dict[str, list[str]]:
    found = source(split="random", split_seed=seed)
    return {name: [*found.listed.files[name]] for name in SPLITS}


def test_the_random_split_has_every_image_also_what_no_list_names(source: Callable[..., Pets], root: Path) -> None:
    files = drawn(source, 0)
    whole = sorted(f"images/{path.name}" for path in (root / FOLDER / "images").glob("*.jpg"))
    assert len(whole) == 52
    assert sorted(chain.from_iterable(files.values())) == whole
    assert {f"images/{name}.jpg" for name in EXTRA} <= {*whole}
    assert len(files["test"]) == 10  # 20 % of 52
    for name, split in source(split="random").splits.items():
        truth = [BREEDS[file.removeprefix("images/").rpartition("_")[0]] - 1 for file in files[name]]
        assert split.targets.tolist() == truth


def test_the_seed_decides_the_random_split(source: Callable[..., Pets]) -> None:
    assert drawn(source, 0) == drawn(source, 0)
    assert drawn(source, 0)["test"] != drawn(source, 1)["test"]
    found = source(split="random").fingerprint()
    assert found not in (source(split="random", split_seed=1).fingerprint(), source().fingerprint())


def test_the_root_may_be_torchvisions_folder_itself(source: Callable[..., Pets], root: Path) -> None:
    assert source(root=str(root / FOLDER)).fingerprint() == source().fingerprint()


def test_the_random_split_needs_no_annotations(source: Callable[..., Pets], root: Path) -> None:
    expected = source(split="random").fingerprint()
    path = root / FOLDER / "annotations" / "test.txt"
    path.unlink()
    assert source(split="random").fingerprint() == expected
    assert refusal(lambda: source().splits) == f"root={root}: {path} is missing; split=random needs no annotations"


def test_an_annotated_image_that_is_not_there_is_said(source: Callable[..., Pets], root: Path) -> None:
    (root / FOLDER / "images" / "Bengal_2.jpg").unlink()
    line = refusal(lambda: source().splits)
    assert line.startswith(
        f"1 of 50 images cannot be read, the first is {root / FOLDER / 'images' / 'Bengal_2.jpg'} (does not exist); "
    )


def test_missing_data_say_where_they_are_looked_for_and_how_to_get_them(
    planned: Callable[..., RunDirectory], tmp_path: Path
) -> None:
    line = refusal(lambda: planned("data=pets", f"data.root={tmp_path}", f"data.cache_dir={tmp_path / 'cache'}"))
    assert line.startswith(
        f"data.root={tmp_path}: there is no {tmp_path / 'images'} and no {tmp_path / FOLDER / 'images'}; "
    )
    assert "data.download=true" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [URLError("Name or service not known"), RuntimeError("File not found or corrupted."), TimeoutError("slow")]
)
def test_a_download_that_fails_is_one_line(
    planned: Callable[..., RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torchvisions, "download_and_extract_archive", fail)
    where = (f"data.root={tmp_path}", f"data.cache_dir={tmp_path / 'cache'}", "data.download=true")
    line = refusal(lambda: planned("data=pets", *where))
    assert line.startswith(f"data.download=true failed ({error}); ")
    assert line.endswith(f"unpack them in {tmp_path / FOLDER}")


def test_a_download_goes_where_it_is_then_found(
    source: Callable[..., Pets], root: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    def fetch(url: str, download_root: str, md5: str) -> None:
        name = url.rpartition("/")[2].removesuffix(".tar.gz")
        Path(download_root).mkdir(parents=True, exist_ok=True)
        (Path(download_root) / name).symlink_to(root / FOLDER / name)

    monkeypatch.setattr(torchvisions, "download_and_extract_archive", fetch)
    assert source(root=str(tmp_path / "new"), download=True).fingerprint() == source().fingerprint()
    monkeypatch.setattr(torchvisions, "download_and_extract_archive", lambda *_, **__: pytest.fail("again"))
    assert source(root=str(tmp_path / "new"), download=True).splits


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"split": "offical"}, "split=offical is not allowed; did you mean official? Available: official, random"),
        ({"download": "yes"}, "download=yes is not allowed; Available: false, true"),
        ({"split_seed": 0.5}, "split_seed must be a whole number >= 0, got 0.5"),
        ({"val_fraction": 0}, "val_fraction must be a number > 0 and < 1, got 0"),
        ({"val_fraction": 0.01}, "root={root} leaves no val images (split=official, val_fraction=0.01)"),
    ],
)
def test_settings_are_checked(source: Callable[..., Pets], root: Path, given: dict[str, Any], line: str) -> None:
    assert refusal(lambda: source(**given).splits) == line.format(root=root)


def test_an_annotation_that_leaves_the_folder_is_refused(source: Callable[..., Pets], root: Path) -> None:
    path = root / FOLDER / "annotations" / "trainval.txt"
    path.write_text(path.read_text() + "../../outside/beagle_99 5 2 1\n")
    assert "'images/../../outside/beagle_99.jpg' of the" in (line := refusal(lambda: source().listed))
    assert line.endswith("has a .. part; names must stay in the folder")


def test_an_image_to_learn_and_to_test_on_is_refused(source: Callable[..., Pets], root: Path) -> None:
    folder = root / FOLDER / "annotations"
    (folder / "test.txt").write_text((folder / "test.txt").read_text() + (folder / "trainval.txt").read_text())
    assert "splits share" in refusal(lambda: source().listed)
