"""Images that a table names: the same examples in every form of table, and what is wrong in one line with its row."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from conftest import plan_run
from odd_files import photos

import lossbench
from lossbench.cli.evaluate import main as evaluate
from lossbench.cli.predict import main as predict
from lossbench.config.facts import fingerprint_of, settled_of
from lossbench.data.image_tables.table import ImageTable
from lossbench.data.images.folder import ImageFolder
from lossbench.data.source import replicated
from lossbench.data.split import SPLITS
from lossbench.errors import UserError
from lossbench.job.start import start

NAMES = [f"{label}/{i}.jpg" for label in ("cat", "dog") for i in range(20)]
LABELS = [name.partition("/")[0] for name in NAMES]
PARTS = [("train", "Training", "valid", "test")[i % 4] for i in range(40)]
TAGS = [[["red"], ["red", "big"], [], ["big"], ["old", "red"]][i % 5] for i in range(40)]
Make = Callable[..., ImageTable]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photos(tmp_path / "images", NAMES)
    return tmp_path / "images"


@pytest.fixture
def make(root: Path) -> Make:
    """Write a table of some columns into the folder of the images, and read it."""

    number = count()

    def made(columns: Mapping[str, Sequence[Any]], *, kind: str = ".csv", **given: Any) -> ImageTable:
        frame, path = polars.DataFrame(columns, strict=False), root / f"labels{next(number)}{kind}"
        write = {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}
        write[kind](path)
        return ImageTable(**{"path": str(path), "cache_dir": str(root.parent / "cache"), "image_size": 8, **given})

    return made


def examples(source: Any) -> dict[str, list[tuple[str, Any]]]:
    return {
        name: list(zip(source.splits[name].ids.tolist(), source.splits[name].targets.tolist(), strict=True))
        for name in SPLITS
    }


def read(source: ImageTable) -> None:
    """Read all of a table as a run does before it is planned."""
    settled_of(source)
    fingerprint_of(source, "image_table")


def wrong(source: Callable[[], ImageTable]) -> str:
    """The one line that a user reads."""
    with pytest.raises(UserError) as caught:
        read(source())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- the same examples in every form


def test_every_form_of_table_gives_the_classes_and_counts_of_the_folders(make: Make, root: Path) -> None:
    folder = ImageFolder(root=str(root), cache_dir=str(root.parent / "cache"), image_size=8)
    found = [make({"file": NAMES, "label": LABELS}, kind=kind) for kind in (".csv", ".parquet", ".jsonl")]
    found.append(make({"y": LABELS, "picture": [str(root / name) for name in NAMES]}))
    found.append(make({"id": [name.removesuffix(".jpg") for name in NAMES], "label": LABELS}, ending=".jpg"))
    for source in found:
        assert source.class_names == folder.class_names == ("cat", "dog")
        assert {name: len(split) for name, split in source.splits.items()} == {
            name: len(split) for name, split in folder.splits.items()
        }
        assert examples(source) == examples(found[0])
        assert source.fingerprint() == found[0].fingerprint()
    assert found[0].settled() == {"image": "file", "target": "label", "split": "auto", "labels": "one"}


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        (PARTS, {"train": 20, "val": 10, "test": 10}),
        (["test" if part == "test" else "train" for part in PARTS], {"train": 24, "val": 6, "test": 10}),
        (["VAL" if part == "valid" else "train" for part in PARTS], {"train": 24, "val": 10, "test": 6}),
    ],
)
def test_parts_that_the_table_names_are_kept_and_others_held_out(
    make: Make, parts: list[str], sizes: dict[str, int]
) -> None:
    source = make({"file": NAMES, "label": LABELS, "Split": parts})
    assert {name: len(split) for name, split in source.splits.items()} == sizes
    tested = {name for name, part in zip(NAMES, parts, strict=True) if part == "test"}
    assert tested <= {*source.splits["test"].ids.tolist()}
    assert (source.folds is None) == bool(tested)
    drawn = [replicated(source, r).splits for r in range(5)]
    for splits in drawn:
        everything = [name for split in splits.values() for name in split.ids.tolist()]
        assert sorted(everything) == sorted(NAMES)
        assert not tested or {*splits["test"].ids.tolist()} == tested
    covered = [name for splits in drawn for name in splits["test"].ids.tolist()]
    assert tested or sorted(covered) == sorted(NAMES)
    assert "column Split" in "".join(source.about())
    assert sum(map(len, make({"file": NAMES, "label": LABELS, "Split": parts}, split=None).splits.values())) == 40


def test_without_a_column_the_first_folder_is_the_split(make: Make, root: Path) -> None:
    names = [f"{part}/{k}.jpg" for part in ("train", "Test") for k in range(20)]
    photos(root, names)
    source = make({"file": names, "kind": [k % 2 for k in range(40)]})
    assert {*source.splits["test"].ids.tolist()} == {*names[20:]}
    assert source.class_names == ("0", "1")
    drawn = make({"file": names, "kind": [k % 2 for k in range(40)]}, split=None)
    assert {*drawn.splits["test"].ids.tolist()} != {*names[20:]}


def test_no_two_splits_share_a_group_and_weights_follow_their_images(make: Make) -> None:
    groups, weights = [f"owner {k // 4}" for k in range(40)], [k + 1 for k in range(40)]
    source = make({"file": NAMES, "label": LABELS, "owner": groups, "w": weights}, group="owner", weight="w")
    group, weight = (dict(zip(NAMES, values, strict=True)) for values in (groups, weights))
    assert replicated(source, 0).left_out() == source.left_out()  # groups of one size fill all splits
    for splits in (source.splits, replicated(source, 0).splits, replicated(source, 7).splits):
        found = {name: {group[each] for each in split.ids.tolist()} for name, split in splits.items()}
        assert not found["train"] & found["val"] | found["train"] & found["test"] | found["val"] & found["test"]
        for split in splits.values():
            assert split.weights is not None
            assert split.weights.tolist() == [weight[name] for name in split.ids.tolist()]
    assert source.fingerprint() != make({"file": NAMES, "label": LABELS, "w": weights}).fingerprint()
    assert source.facts()["groups"] == 10


def test_names_of_classes_are_part_of_what_the_data_are(make: Make) -> None:
    other = [f"{label} of the house" for label in LABELS]
    found, renamed = (make({"file": NAMES, "label": labels}) for labels in (LABELS, other))
    assert found.splits["train"].targets.tolist() == renamed.splits["train"].targets.tolist()
    assert found.fingerprint() != renamed.fingerprint()
    assert replicated(found, 0).fingerprint() != replicated(renamed, 0).fingerprint()


def test_test_images_may_have_labels_of_their_own_column(make: Make) -> None:
    noisy = ["dog", *(None if part == "test" else label for part, label in zip(PARTS[1:], LABELS[1:], strict=True))]
    columns = {"file": NAMES, "noisy": noisy, "clean": LABELS, "split": PARTS}
    line = wrong(lambda: make(columns, target="noisy"))
    assert "data.target=noisy is empty in row 4, the first of 10 such rows" in line
    source = make(columns, target="noisy", test_target="clean")
    assert dict(examples(source)["train"])["cat/0.jpg"] == 1
    assert [source.class_names[y] for _, y in examples(source)["test"]] == [
        label for label, part in zip(LABELS, PARTS, strict=True) if part == "test"
    ]


# -- several labels


def test_lists_separated_text_and_columns_of_0_and_1_are_the_same_labels(make: Make) -> None:
    names = ("big", "old", "red")
    columns = {name: [int(name in tags) for tags in TAGS] for name in names}
    words = {name: [str(bool(value)) for value in column] for name, column in columns.items()}
    signs = {name: [2 * value - 1 for value in column] for name, column in columns.items()}
    found = [
        make({"file": NAMES, "tags": TAGS}, kind=".jsonl"),
        make({"file": NAMES, "tags": TAGS}, kind=".parquet"),
        make({"file": NAMES, "tags": [" ; ".join(tags) for tags in TAGS]}, separator=";"),
        make({"file": NAMES, **columns}, target=list(names)),
        make({"file": NAMES, **signs}, target=list(names)),
        make({"file": NAMES, **words}, target=list(names)),
    ]
    for source in found:
        assert (source.task, source.class_names) == ("multi_label", names)
        assert source.splits["train"].targets.dtype == np.float32
        assert source.fingerprint() == found[0].fingerprint()
    tags = dict(zip(NAMES, TAGS, strict=True))
    for name, row in examples(found[0])["val"]:
        assert [label for label, holds in zip(names, row, strict=True) if holds] == sorted(tags[name])
    assert found[0].train_counts()["smallest_class"] >= 4  # old: 8 of 40, drawn by it
    assert found[0].settled()["labels"] == found[3].settled()["labels"] == "several"


def test_a_run_with_several_labels_is_trained_evaluated_and_predicts(
    make: Make, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make({"file": NAMES, "tags": TAGS}, kind=".jsonl")
    words = ("data=image_table", f"data.path={source.path}", "data.image_size=8", "data.num_workers=0")
    words += ("loss=bce", "yardsticks=[bce]", "model=mlp", f"data.cache_dir={tmp_path / 'cache'}")
    run = plan_run(tmp_path / "runs", *words, "trainer.max_epochs=2", "trainer=cpu", "monitor=val/micro_f1")
    record = run.record["data"]
    assert (record["image"], record["target"], record["labels"]) == ("file", "tags", "several")
    result = start(run)
    assert result.facts["task"] == "multi_label"
    assert result.metrics["test/mean_average_precision"] is not None
    assert (run.path / "figures" / "augmented.png").exists()
    loaded = lossbench.load(run.path)
    again = loaded.evaluate("test")["micro_f1"].value
    assert again == pytest.approx(result.metrics["test/micro_f1"])
    Path(source.path).rename(root / "gone.jsonl")  # the table is not needed to predict
    predict([str(run.path), str(root / "cat" / "0.jpg"), "--top", "3"])
    printed = capsys.readouterr().out
    assert {"big", "old", "red"} <= {*printed.split()}
    assert "each label has a probability of its own" in printed
    (root / "gone.jsonl").rename(source.path)
    tan = [["tan" if tag == "red" else tag for tag in tags] for tags in TAGS]
    polars.DataFrame({"file": NAMES, "tags": tan}).write_ndjson(root / "other.jsonl")
    evaluate([str(run.path), "data=image_table", f"data.path={root / 'other.jsonl'}"])
    assert "warning: the classes have other names or another order, and count as the same: " in capsys.readouterr().out


# -- what is wrong


TWICE = {"file": [*NAMES, NAMES[0]], "label": [*LABELS, LABELS[0]]}


@pytest.mark.parametrize(
    ("changed", "given", "line"),
    [
        ({"label": [*LABELS[:4], None, "", *LABELS[6:]]}, {}, "data.target=label is empty in row 5, the first of 2"),
        ({"label": NAMES}, {}, "data.target=label has 40 different values in 40 rows"),
        ({"label": [k % 2 + 0.5 for k in range(40)]}, {}, "data.target=label, row 1: 0.5 has a fraction"),
        ({"file": ["../x.jpg", *NAMES[1:]]}, {}, "data.image=file, row 1: '../x.jpg' has a .. part"),
        ({"file": [NAMES[0], "/etc/x.jpg", *NAMES[2:]]}, {}, "data.image=file, row 2: '/etc/x.jpg' is absolute"),
        ({"file": [*NAMES[:2], None, *NAMES[3:]]}, {}, "data.image=file is empty in row 3"),
        ({"file": [*NAMES[:39], "cat/99.jpg"]}, {}, "data.image=file, row 40: cat/99.jpg does not exist in "),
        ({"file": [name[4:] for name in NAMES]}, {}, "/cat/0.jpg: use data.root="),
        ({"file": [name[:-4] for name in NAMES]}, {"image": "file"}, "cat/0.jpg: use data.ending=.jpg"),
        ({"file": [*NAMES[:39], NAMES[0]]}, {}, "data.image: cat/0.jpg has two labels, in rows 1 and 40"),
        (TWICE | {"w": [*[1] * 40, 2]}, {"weight": "w"}, "data.image: cat/0.jpg has two weights, in rows 1 and 41"),
        (TWICE | {"who": [*range(41)]}, {"group": "who"}, "data.image: cat/0.jpg has two groups, in rows 1 and 41"),
        ({"split": [*["train"] * 39, "hold"]}, {"split": "split"}, "data.split=split is 'hold' in row 40; each row"),
        ({"split": ["test"] * 40}, {}, "data.split: the column split names no image for training"),
        ({"split": ["train"] * 20 + ["test"] * 20}, {}, "data.target: the test split has dog, which the training"),
        ({"who": [k % 3 for k in range(40)], "split": PARTS}, {"group": "who"}, "data.group: 3 groups are in more"),
        ({"w": [*range(40)]}, {"weight": "w"}, "data.weight=w is 0 in row 1; weights are finite numbers > 0"),
        ({"label2": LABELS}, {"target": ["label", "label2"]}, "data.target=label, row 1: 'cat' is neither 0 nor 1"),
        ({}, {"target": "labels"}, "data.target=labels is no column of the table; did you mean label?"),
        ({}, {"labels": "several"}, "data.labels=several, but label holds one class in each row"),
        ({"clean": LABELS}, {"test_target": "clean"}, "data.test_target=clean is for the test rows of a table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_its_row(
    make: Make, changed: dict[str, Any], given: dict[str, Any], line: str
) -> None:
    assert line in wrong(lambda: make({"file": NAMES, "label": LABELS, **changed}, **given))


def test_columns_that_are_not_unmistakable_are_to_be_named(make: Make) -> None:
    columns = {"first": NAMES, "second": NAMES, "a": LABELS, "b": LABELS}
    assert "data.image=auto: several columns hold names of image files" in wrong(lambda: make(columns, target="a"))
    assert "data.target=auto: several columns may be the label" in wrong(lambda: make(columns, image="first"))
    assert make(columns, image="first", target="a").left_out() == ["the columns second, b of the table are not used"]


def test_missing_files_are_left_out_where_that_is_asked_for_and_rows_that_repeat_are_named(make: Make) -> None:
    columns = {"file": [*NAMES, "cat/99.jpg", NAMES[0]], "label": [*LABELS, "cat", "cat"]}
    source = make(columns, on_bad_image="skip")
    assert sum(map(len, source.splits.values())) == 40
    assert source.left_out() == ["1 of 42 rows repeat another", "1 images cannot be read (data.on_bad_image=skip)"]


def test_a_label_that_a_draw_leaves_out_of_train_is_named(make: Make) -> None:
    alone = [["red", "rare"] if k == 0 else tags for k, tags in enumerate(TAGS)]
    lines = [replicated(make({"file": NAMES, "tags": alone}, kind=".jsonl"), r).left_out() for r in range(5)]
    assert sum("the train split has no example of rare" in line for line in lines) == 1  # where it is tested
    assert json.dumps(lines).count("the test split has no example of rare") == 4
