"""A table as a data set: roles of columns, splits and replicates, and an encoding that only training rows decide."""

from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from tables import a_table, written

from lossbench.data.checks import check_splits
from lossbench.data.grouped import crossing
from lossbench.data.source import Source, replicated
from lossbench.data.tables.table import Table

SETTINGS = {"target": "risk", "group": "patient", "id": "row_id"}
UNSEEN = {"age": 1e6, "city": "Atlantis", "smoker": "perhaps"}


def table(folder: Path, frame: polars.DataFrame | None = None, name: str = "table.csv", **settings: Any) -> Table:
    """The data set of a made table."""
    return Table(path=written(a_table() if frame is None else frame, folder / name), **settings)


def parts(source: Source) -> dict[str, set[str]]:
    """The ids of each split."""
    return {name: {*split.ids.tolist()} for name, split in source.splits.items()}


def replaced(frame: polars.DataFrame, rows: set[str], **cells: object) -> polars.DataFrame:
    """The same table with other cells in some rows."""
    chosen = frame["row_id"].cast(polars.String).is_in([*rows])
    new = [
        polars.when(chosen).then(polars.lit(cell)).otherwise(frame[name]).alias(name) for name, cell in cells.items()
    ]
    return frame.with_columns(new)


@pytest.mark.parametrize("replicate", [None, 0, 7])
def test_no_validation_or_test_row_decides_the_encoding(tmp_path: Path, replicate: int | None) -> None:
    def of(frame: polars.DataFrame) -> Table:
        whole = table(tmp_path, frame, "table.parquet", **SETTINGS)
        return whole if replicate is None else replicated(whole, replicate)

    frame = a_table().with_columns(polars.col("smoker").cast(polars.String))
    before = of(frame)
    split = parts(before)
    after = of(replaced(frame, split["val"] | split["test"], **UNSEEN))
    assert parts(after) == split
    assert after.columns == before.columns
    assert np.array_equal(after.splits["train"].inputs, before.splits["train"].inputs)
    assert not np.array_equal(after.splits["val"].inputs, before.splits["val"].inputs)
    some = {*sorted(split["train"])[:20]}
    for name, cell in UNSEEN.items():
        assert of(replaced(frame, some, **{name: cell})).columns != before.columns, name


def test_every_replicate_has_an_encoding_of_its_own(tmp_path: Path) -> None:
    whole = table(tmp_path, **SETTINGS)
    draws = [replicated(whole, r) for r in range(10)]
    for each in (whole, *draws):
        check_splits(each)
        train = each.splits["train"].inputs
        age = next(column for column in each.columns if column["name"] == "age")
        ages = np.where(train[:, 1] == 1, age["median"], train[:, 0] * age["std"] + age["mean"])
        assert train[:, 0].mean() == pytest.approx(0, abs=1e-6)
        assert np.median(ages) == pytest.approx(age["median"], abs=1e-3)
        assert crossing(whole.examples.groups, each.drawn) == {}  # pyright: ignore[reportArgumentType] - it has groups
    assert len({str(each.columns) for each in draws}) == 10
    assert len({each.input_shape for each in draws}) > 1  # Lima and Bern are rare in some training parts
    assert len({each.fingerprint() for each in draws}) == 1
    assert {len(each.splits["train"]) for each in draws} == {192}


def test_what_was_decided_is_said(tmp_path: Path) -> None:
    frame = a_table().rename({"risk": "Label"}).with_columns(split=polars.Series(["train", "TEST", "dev"] * 100))
    source = table(tmp_path, frame, categorical=["age"], drop=["smoker"])
    first, *decided = source.about_lines("table")
    assert first.startswith("data: table.csv (table), 3 classes, 100 train / 100 val / 100 test examples")
    assert decided[:3] == [
        "data: the column Label holds the classes (data.target)",
        "data: the column split says train, val or test (data.split)",
        "data: learned from 2 columns: 1 of categories, 1 of times (as days)",
    ]
    assert "row_id (an identifier: whole numbers that count the rows), name (an iden" in source.left_out_line()
    assert source.class_names == ("high", "low", "middle")
    assert source.splits["test"].ids.tolist() == [str(row) for row in range(2, 300, 3)]
    assert source.record()["columns"] == source.columns


def test_given_parts_are_kept_and_the_missing_one_is_held_out(tmp_path: Path) -> None:
    frame = a_table().with_columns(part=polars.Series(["train"] * 240 + ["test"] * 60))
    source = table(tmp_path, frame, **SETTINGS, split="part")
    for each in (source, replicated(source, 0), replicated(source, 3)):
        assert parts(each)["test"] == {str(1000 + row) for row in range(240, 300)}
        assert [len(each.splits[name]) for name in ("train", "val")] == [192, 48]
    assert parts(replicated(source, 0))["val"] != parts(replicated(source, 3))["val"]


def test_the_content_counts_and_not_the_file(tmp_path: Path) -> None:
    frame = a_table()
    stored = [table(tmp_path, frame, name, **SETTINGS) for name in ("one.csv", "two.parquet", "three.tsv")]
    written(frame, tmp_path / "three.tsv")
    for which in (None, 0):
        prints = {(each if which is None else replicated(each, which)).fingerprint() for each in stored[:2]}
        assert len(prints) == 1
        for change in ({"age": 1.0}, {"city": None}, {"risk": "low"}, {"patient": "p7"}):
            other = table(tmp_path, replaced(frame, {"1000"}, **change), "other.csv", **SETTINGS)
            assert (other if which is None else replicated(other, which)).fingerprint() not in prints, change
        renamed = table(tmp_path, frame.with_columns(polars.col("risk") + " risk"), "other.csv", **SETTINGS)
        assert (renamed if which is None else replicated(renamed, which)).fingerprint() not in prints


def test_rows_that_are_in_training_too_are_counted(tmp_path: Path) -> None:
    frame = a_table().with_columns(split=polars.Series(["train"] * 200 + ["val"] * 50 + ["test"] * 50))
    same = frame[[0, 1, 2]].with_columns(split=polars.lit("test"), row_id=polars.Series([1, 2, 3]))
    other = frame[[3]].with_columns(split=polars.lit("test"), row_id=polars.Series([4]), risk=polars.lit("high"))
    assert other["risk"][0] != frame["risk"][3]
    source = table(tmp_path, polars.concat([frame, same, other]), target="risk", id="row_id")
    assert source.facts()["learnt_rows"] == {"val": 0, "test": 3}


def test_weights_are_those_of_the_column(tmp_path: Path) -> None:
    frame = a_table().with_columns(w=polars.Series([0.5, 2.0, 1.0] * 100))
    source = table(tmp_path, frame, **SETTINGS, weight="w")
    train = source.splits["train"]
    assert train.weights is not None
    assert train.weights.tolist() == [[0.5, 2.0, 1.0][(int(name) - 1000) % 3] for name in train.ids.tolist()]
    assert source.fingerprint() != table(tmp_path, **SETTINGS).fingerprint()


def test_other_rows_are_encoded_as_the_model_was_trained(tmp_path: Path) -> None:
    trained = replicated(table(tmp_path, **SETTINGS), 1)
    other = a_table(120, seed=5).filter(polars.col("risk") != "high")  # fewer classes, other means, other cities
    new = table(tmp_path, other.with_columns(city=polars.lit("Atlantis")), "new.csv", target="risk")
    seen = new.fitted_like(trained)
    assert seen.columns == trained.columns
    assert (seen.class_names, seen.input_shape) == (trained.class_names, trained.input_shape)
    assert {trained.class_names[k] for k in seen.splits["test"].targets.tolist()} == {"low", "middle"}
    assert new.columns != trained.columns
    alien = table(tmp_path, other.with_columns(risk=polars.lit("none")), "alien.csv", target="risk")
    with pytest.raises(ValueError, match=r"^target: 'none' is no class of the model; it knows high, low, middle$"):
        _ = alien.fitted_like(trained).splits


def test_whole_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    frame = polars.DataFrame({"x": np.arange(60) % 7, "y": (np.arange(60) % 3) * 5 + 5})
    assert table(tmp_path, frame).class_names == ("5", "10", "15")
    assert table(tmp_path, frame.cast({"y": polars.Float64}), "floats.parquet").class_names == ("5", "10", "15")


EMPTY = polars.Series([None if k == 4 else "a" for k in range(300)])


@pytest.mark.parametrize(
    ("frame", "settings", "message"),
    [
        (a_table(), {}, "target must name the column of the classes; Available: age, city, country, name"),
        (a_table(), {"target": "rsik"}, "target=rsik is no column of the table; did you mean risk?"),
        (a_table(), {"target": "risk", "drop": ["ag"]}, "drop=ag is no column of the table; did you mean age?"),
        (a_table(), {"target": "risk", "group": "risk"}, "group=risk and target=risk name one column"),
        (a_table(), {"target": "risk", "keep": ["risk"]}, "keep: risk is also named by target"),
        (a_table(), {"target": "age"}, "target=age is empty in"),
        (a_table().fill_null(1), {"target": "age"}, "target=age holds .* different numbers with fractions"),
        (
            a_table(),
            {"target": "row_id"},
            "target=row_id has 300 different values in 300 rows: an identifier or a number",
        ),
        (a_table(), {"target": "country"}, "class_names name one class alone, X"),
        (a_table(), {"target": "risk", "id": "patient"}, "id=patient must tell the rows apart, .* 'p0', 'p1'"),
        (a_table(), {"target": "risk", "split": "smoker"}, "split=smoker says .* in row 1; every row is train, val or"),
        (a_table().with_columns(s=EMPTY), {"target": "risk", "split": "s"}, "split=s says 'a' in row 1"),
        (
            a_table().with_columns(s=polars.lit("test")),
            {"target": "risk", "split": "s"},
            "split=s has no row that says tr",
        ),
        (
            a_table().with_columns(g=EMPTY),
            {"target": "risk", "group": "g"},
            "group=g is empty in 1 rows, the first is row 5",
        ),
        (a_table(), {"target": "risk", "weight": "smoker"}, "weight=smoker must hold numbers > 0, got "),
        (
            a_table().with_columns(split=polars.Series(["train", "test"] * 150)),
            SETTINGS,
            "group: 100 groups are in more",
        ),
        (
            a_table().select("name", "country", "risk"),
            {"target": "risk"},
            "has no column to learn from: not learned from",
        ),
        (
            replaced(a_table(), {"1003"}, age=float("inf")),
            {"target": "risk"},
            "column 'age' must hold finite numbers, got inf in",
        ),
        (a_table(), {"target": "risk", "drop": "age"}, "drop must be a list of columns such as .a,b., got 'age'"),
        (a_table(), {"target": "risk", "val_fraction": 1}, "val_fraction must be a number > 0 and < 1"),
    ],
)
def test_wrong_settings_and_tables_are_one_line(
    tmp_path: Path, frame: polars.DataFrame, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_splits(table(tmp_path, frame, "table.parquet", **settings))
    assert "\n" not in str(caught.value)


def test_a_class_that_training_lacks_is_named(tmp_path: Path) -> None:
    frame = a_table().with_columns(split=polars.Series(["train"] * 200 + ["val"] * 50 + ["test"] * 50))
    unknown = frame.with_columns(risk=polars.when(polars.col("row_id") == 1299).then(polars.lit("?")).otherwise("risk"))
    with pytest.raises(ValueError, match=r"^path=.* the training part has no example of \?"):
        check_splits(table(tmp_path, unknown, "table.parquet", target="risk"))
    alone = a_table().with_columns(
        risk=polars.when(polars.col("row_id") == 1299).then(polars.lit("!")).otherwise("risk")
    )
    with pytest.raises(ValueError, match=r"replicate \d has no training example of !"):
        [check_splits(replicated(table(tmp_path, alone, "table.parquet", target="risk"), r)) for r in range(5)]
