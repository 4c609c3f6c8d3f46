import pickle
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossbench.data.checks import check_splits
from lossbench.data.numbered.arrays import ArrayImages, Arrays, ArrayTensors
from lossbench.data.source import replicated

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 10, 12, 3), dtype=np.uint8)
ROWS = RNG.normal(size=(60, 5))
CLASSES = np.arange(60) % 3
COMMON: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "image_size": None}


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / f"{len([*folder.iterdir()])}.npz"
    np.savez(path, allow_pickle=False, **arrays)
    return path


def arrays(path: Path, **settings: Any) -> Any:
    return Arrays(path=str(path), **{**COMMON, "image_size": 8 if settings.pop("crop", False) else None}, **settings)


def test_x_and_y_become_splits_and_replicates_whose_ids_are_positions(tmp_path: Path) -> None:
    found = arrays(saved(tmp_path, X=ROWS, y=CLASSES))
    assert isinstance(found, ArrayTensors)
    check_splits(found)
    assert [len(found.splits[name]) for name in ("train", "val", "test")] == [38, 10, 12]
    for split in found.splits.values():
        assert np.array_equal(split.inputs, ROWS[split.ids.astype(int)].astype(np.float32))
        assert split.targets.tolist() == (split.ids.astype(int) % 3).tolist()
    tested = [replicated(found, r).splits["test"].ids.tolist() for r in range(5)]
    assert sorted(chain.from_iterable(tested), key=int) == [str(i) for i in range(60)]
    assert replicated(found, 0).fingerprint() == replicated(found, 3).fingerprint() != found.fingerprint()


def test_names_of_classes_are_part_of_what_the_data_are(tmp_path: Path) -> None:
    found, renamed = (
        arrays(saved(tmp_path, X=ROWS, y=np.array(names)[CLASSES]))
        for names in (["ant", "bee", "cow"], ["apple", "beet", "corn"])
    )
    assert found.splits["train"].targets.tolist() == renamed.splits["train"].targets.tolist()
    assert found.fingerprint() != renamed.fingerprint()


PARTS = {"x_train": ROWS[:40], "y_train": CLASSES[:40], "x_test": ROWS[40:], "y_test": CLASSES[40:]}
WITH_VAL = {
    "train_images": PIXELS[:30],
    "train_labels": CLASSES[:30, None],
    "val_images": PIXELS[30:40],
    "val_labels": CLASSES[30:40, None],
    "test_images": PIXELS[40:],
    "test_labels": CLASSES[40:, None],
}


def test_published_parts_are_kept(tmp_path: Path) -> None:
    keras = arrays(saved(tmp_path, **PARTS))
    assert {*keras.splits["test"].ids} == {f"test-{i}" for i in range(20)}
    assert [len(keras.splits[name]) for name in ("train", "val")] == [32, 8]
    assert replicated(keras, 4).splits["test"].ids.tolist() == keras.splits["test"].ids.tolist()
    assert keras.about()[1:] == ["train and test as they are; val held out of train"]
    medmnist = arrays(saved(tmp_path, **WITH_VAL))
    assert [len(medmnist.splits[name]) for name in ("train", "val", "test")] == [30, 10, 20]
    assert len(medmnist.about()) == 1


def test_images_are_seen_at_their_own_size_and_know_what_is_repeated(tmp_path: Path) -> None:
    pixels = PIXELS.copy()
    pixels[59] = pixels[0]
    path = saved(tmp_path, X_train=pixels[:50], y_train=CLASSES[:50], X_test=pixels[50:], y_test=CLASSES[50:])
    found = arrays(path, val_fraction=0.1)
    assert isinstance(found, ArrayImages)
    assert found.settled() == {"kind": "images", "image_size": 10, "resize": 10}
    assert found.pictures(["test-9", "train-0"])[0].tolist() == pixels[0].tolist()
    assert (found.pool().ids == "train-0").argmax() in found.draw(0)["train"]
    assert replicated(found, 0).learnt() == {"val": 0, "test": 1}
    assert "1 test images have the content of a training image" in replicated(found, 0).about()[-1]
    copied = pickle.loads(pickle.dumps(found))  # a loader's process gets it so
    assert copied.opened[59].tolist() == pixels[59].tolist()


def test_once_settled_nothing_is_read_until_examples_are_wanted(tmp_path: Path) -> None:
    path = saved(tmp_path, X=PIXELS, y=CLASSES)
    settled = arrays(path).settled()
    path.unlink()
    built = Arrays(path=str(path), **{**COMMON, **settled})
    assert built.input_shape == (3, 10, 10)  # pyright: ignore[reportAttributeAccessIssue] - an image source
    with pytest.raises(ValueError, match=r"does not exist; name a \.npz file"):
        built.fingerprint()


IMAGES: Mapping[str, np.ndarray] = {
    "grey": PIXELS[..., 0],
    "one channel": PIXELS[..., :1],
    "channels first": PIXELS.transpose(0, 3, 1, 2),
    "whole numbers": PIXELS.astype(np.int64),
    "fractions": (PIXELS / 255).astype(np.float32),
}


@pytest.mark.parametrize("form", IMAGES)
def test_pixels_of_any_form_are_the_same_images(form: str, tmp_path: Path) -> None:
    kind = "images" if form in ("whole numbers", "fractions") else None
    found = arrays(saved(tmp_path, X=IMAGES[form], y=CLASSES), kind=kind)
    expected = (
        PIXELS[7] if PIXELS.shape[-1] == 3 and form not in ("grey", "one channel") else PIXELS[7][..., :1].repeat(3, 2)
    )
    assert found.opened[7].dtype == np.uint8
    assert found.opened[7].flags.writeable  # torch warns of others
    assert found.opened[7].tolist() == expected.tolist()


def test_numbers_of_two_sides_get_their_channels_first(tmp_path: Path) -> None:
    last, grey = arrays(saved(tmp_path, X=PIXELS / 255, y=CLASSES)), arrays(saved(tmp_path, X=ROWS[:, None], y=CLASSES))
    assert last.input_shape == (3, 10, 12)
    assert last.about()[-1] == "X has its channels last"
    assert grey.input_shape == (1, 1, 5)


@pytest.mark.parametrize(("factor", "said"), [(1.0, False), (300.0, True), (0.001, True)])
def test_numbers_far_from_the_scale_of_networks_are_said(factor: float, said: bool, tmp_path: Path) -> None:
    lines = arrays(saved(tmp_path, X=ROWS * factor, y=CLASSES)).about()
    assert any("standard deviations" in line for line in lines) == said


def test_a_folder_of_npy_files_is_the_same_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    for name, array in WITH_VAL.items():
        np.save(folder / f"{name}.npy", array)
    assert arrays(folder).fingerprint() == arrays(saved(tmp_path, **WITH_VAL)).fingerprint()


def test_labels_of_any_form(tmp_path: Path) -> None:
    names = np.array(["ant", "bee", "cow"])
    forms = {
        "text": (names[CLASSES], ("ant", "bee", "cow")),
        "named": (CLASSES, ("ant", "bee", "cow")),
        "floats": (CLASSES + 5.0, ("5", "6", "7")),
        "one-hot": (np.eye(3)[CLASSES], ("0", "1", "2")),
    }
    for form, (y, expected) in forms.items():
        extra = {"class_names": names} if form == "named" else {}
        found = arrays(saved(tmp_path, X=ROWS, y=y, **extra))
        assert found.class_names == expected
        assert found.task == "classification"
        assert found.pool().targets.tolist() == CLASSES.tolist()


def test_rows_of_several_labels_are_another_task(tmp_path: Path) -> None:
    several = np.stack([CLASSES == 0, CLASSES > 0, CLASSES == 2], 1)
    found = arrays(saved(tmp_path, X=ROWS, y=several))
    assert found.task == "multi_label"
    assert found.splits["train"].targets.dtype == np.float32
    assert found.splits["train"].targets.shape == (38, 3)


def test_ids_and_groups_of_the_file_are_used_and_the_rest_is_named(tmp_path: Path) -> None:
    ids, groups = np.array([f"scan {i}" for i in range(60)]), np.arange(60) // 6
    found = arrays(saved(tmp_path, X=ROWS, y=CLASSES, ids=ids, groups=groups, seconds=ROWS[:, 0]))
    assert found.left_out() == ["arrays that are not used: seconds"]
    inside = [{int(name.split()[1]) // 6 for name in split.ids.tolist()} for split in found.splits.values()]
    assert sum(map(len, inside)) == 10


def test_weights_of_a_part_count_beside_parts_without(tmp_path: Path) -> None:
    found = arrays(saved(tmp_path, **PARTS, sample_weight_train=np.arange(40) + 0.5))
    pool = found.pool()
    assert pool.weights.dtype == np.float32
    assert pool.weights.tolist() == [*(np.arange(40) + 0.5).tolist(), *[1.0] * 20]


NAN = np.where(np.arange(60)[:, None] == 4, np.nan, ROWS)
WRONG: Mapping[str, tuple[dict[str, np.ndarray], dict[str, Any], str]] = {
    "no labels": ({"X": ROWS}, {}, r"no array is called as labels to learn from are \(y, labels, .* only X; name it"),
    "another name": ({"X": ROWS, "y": CLASSES}, {"y": "lables"}, "y=lables is no array to learn from; Available: X, y"),
    "two inputs": ({"X": ROWS, "images": PIXELS, "y": CLASSES}, {}, "X, images may all be the x of the same examples"),
    "lengths": ({"X": ROWS, "y": CLASSES[:9]}, {}, "y has 9 rows, and X has 60; give one row for each example"),
    "part": (
        {**PARTS, "x_val": ROWS},
        {},
        "there are no labels beside x_val, only x_test, x_train, x_val, y_test, y_train",
    ),
    "missing": ({"X": NAN, "y": CLASSES}, {}, "X has 1 rows with NaN, infinite .* the first at position 4"),
    "fractions": ({"X": ROWS, "y": ROWS[:, 0]}, {}, "y must hold classes .* got fractions or missing values such as -"),
    "soft": ({"X": ROWS, "y": np.full((60, 3), 0.3)}, {}, r"y of shape \(60, 3\) must hold 0 and 1 alone"),
    "objects": ({"X": ROWS, "y": CLASSES.astype(str), "classes": CLASSES}, {}, "must hold different names of classes"),
    "too many": ({"X": ROWS, "y": CLASSES, "classes": np.array(["a", "b"])}, {}, "indices from 0 to 1, .* got 0 to 2"),
    "empty label": ({"X": ROWS, "y": np.where(CLASSES == 2, "", "a")}, {}, "y has an empty label, at position 2"),
    "unknown": ({**PARTS, "y_test": CLASSES[40:] + 1}, {}, "the training part has no example of 3; add examples"),
    "shapes": ({**PARTS, "x_test": ROWS[40:, :4]}, {}, r"rows of all parts must have one shape, got x_train \(40, 5\)"),
    "no picture": ({"X": ROWS, "y": CLASSES}, {"kind": "images"}, r"X must have shape \(n, h, w\)"),
    "no pixels": ({"X": ROWS[:, None], "y": CLASSES}, {"kind": "images"}, "X must hold whole numbers from 0 to 255"),
    "groups": (
        {**PARTS, "groups_train": CLASSES[:40]},
        {},
        "groups_train is there, and the other parts have no groups",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_named(case: str, tmp_path: Path) -> None:
    given, settings, message = WRONG[case]
    path = saved(tmp_path, **given)
    with pytest.raises(ValueError, match=message):
        check_splits(arrays(path, **settings))


def test_a_compressed_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, X=ROWS, y=CLASSES)
    data = bytearray(path.read_bytes())
    start = data.index(b"X.npy") + len(b"X.npy") + 40
    data[start : start + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"array X of .*x\.npz cannot be read"):
        check_splits(arrays(path))


def test_python_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", X=ROWS, y=CLASSES.astype(object))
    with pytest.raises(ValueError, match=r"array y of .* holds Python objects, which are not loaded"):
        arrays(tmp_path / "objects.npz").fingerprint()
    (tmp_path / "objects.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(ValueError, match=r"objects\.npz cannot be read: "):
        arrays(tmp_path / "objects.npz")


def test_what_is_in_no_split_of_a_replicate_is_said(tmp_path: Path) -> None:
    groups = np.append(np.arange(500) // 5, [100, 100, 100])
    found = arrays(saved(tmp_path, X=RNG.normal(size=(503, 2)), y=np.arange(503) % 2, groups=groups))
    said = [replicated(found, r).left_out() for r in range(5)]
    why = "in no split of this replicate, so that all replicates train on equally many"
    assert sorted(said) == [[], *[[f"3 of 503 examples are {why}"]] * 4]
    assert found.left_out() == []
