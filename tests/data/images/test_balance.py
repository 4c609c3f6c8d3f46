"""The classes of a folder as lossbench check prints them: every count, and what is odd."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odd_files import photos

from lossbench.data.images.balance import class_table, counts_of, near_identical, oddities
from lossbench.data.images.folder import ImageFolder

SIZES = {"ant": 20, "bee": 60, "wasp": 3}


@pytest.fixture
def source(tmp_path: Path) -> Callable[[], ImageFolder]:
    photos(tmp_path / "images", [f"{name}/{i}.jpg" for name, n in SIZES.items() for i in range(n)])
    return lambda: ImageFolder(root=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"))


def test_sizes(source: Callable[[], ImageFolder]) -> None:
    found = source()
    counts = counts_of(found)
    assert counts.tolist() == [[13, 3, 4], [38, 10, 12], [2, 0, 1]]
    assert [*oddities(found, counts)] == [
        "imbalance 19: bee has 38 training images, wasp 2",
        "fewer than 10 training images: wasp (2)",
    ]


def test_repeated_images(source: Callable[[], ImageFolder], tmp_path: Path) -> None:
    files, root = source().listed.files, tmp_path / "images"
    ant, bee = ([name for name in files["train"] if name.startswith(label)] for label in ("ant", "bee"))
    test = next(name for name in files["test"] if name.startswith("bee"))
    (root / ant[1]).write_bytes((root / ant[0]).read_bytes())
    (root / test).write_bytes((root / ant[2]).read_bytes())
    (root / bee[0]).write_bytes((root / ant[3]).read_bytes())
    found = source()
    assert [*oddities(found, counts_of(found))][2:] == [
        f"images that are in several classes: 2, for instance {ant[2]} and {test}",
        f"images with the content of another: 3, for instance {ant[0]} and {ant[1]}",
        "1 test images have the content of a training image; a score on them says nothing about new images",
    ]


def test_a_thousand_classes_stay_readable() -> None:
    names = [f"n{i:08d}" for i in range(1000)]
    balanced = np.tile([40, 10, 50], (1000, 1))
    assert class_table(names, balanced)[1:] == [
        "       40      10      50  n00000000, n00000001, n00000002, n00000003, n00000004, ... (1,000 in all)"
    ]
    table = class_table(names, balanced + np.arange(1000)[:, None])
    assert len(table) == 52
    assert table[1].split() == ["40", "10", "50", "n00000000"]
    assert table[-1].split() == ["1,039", "1,009", "1,049", "n00000999"]
    assert table[26] == "  ... 950 lines of sizes between these; --classes prints every class ..."
    assert len(class_table(names, balanced, whole=True)) == 1001


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat", "dog", "Cat "], [("Cat ", "cat")]),
        (["golden_retriever", "golden retriever", "beagle"], [("golden retriever", "golden_retriever")]),
        (["tulip", "tulips"], [("tulip", "tulips")]),
        (["persian", "persain", "siamese"], []),
        (["daisy", "daisi", "rose"], [("daisi", "daisy")]),
        (["sunflower", "sunflowr"], [("sunflower", "sunflowr")]),
        (["n01440764", "n01440765", "cat", "car", "class_1", "class_2"], []),
    ],
)
def test_names_that_are_nearly_the_same(names: list[str], expected: list[tuple[str, ...]]) -> None:
    assert near_identical(names) == expected


def test_many_names_are_compared_fast() -> None:
    assert near_identical([f"{chr(97 + i % 26) * 4}{chr(97 + i // 26 % 26) * 9}" for i in range(676)]) == []
