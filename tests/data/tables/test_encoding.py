"""Columns as numbers: what scikit-learn's own tools give, what unseen cells become, and a record of plain values."""

import json
from datetime import date, datetime, time, timedelta

import numpy as np
import polars
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import a_table

from lossbench.data.tables.encoding import MOST, encode, encoded_names, fit
from lossbench.data.tables.kinds import RARE, Kind, as_kind, features_of, kind_of

NUMBERS = (polars.Int64, polars.Int8, polars.UInt32, polars.Float64, polars.Float32)


def test_the_encoding_is_that_of_scikit_learn() -> None:
    train, new = a_table(100, seed=3), a_table(100, seed=1)
    assert 0 < (train["city"] == "Lima").sum() < RARE
    columns = fit(train, {"age": "number", "city": "category"})
    reference = ColumnTransformer(
        [
            ("age", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age"]),
            ("missing", MissingIndicator(), ["age"]),
            ("city", OneHotEncoder(min_frequency=RARE, handle_unknown="infrequent_if_exist"), ["city"]),
        ],
        sparse_threshold=0,
    )
    reference.fit(train.select("age", "city").to_pandas())
    assert encoded_names(columns) == [
        *("age", "age=missing", "city=Oslo", "city=Paris", "city=Rome", "city=other", "city=missing"),
    ]
    for frame in (train, new):
        ours, theirs = encode(columns, frame), reference.transform(frame.select("age", "city").to_pandas())
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours[:, [0, 1, 2, 3, 4, 6, 5]], theirs, atol=1e-6)  # its last one is "infrequent"


def test_cells_that_training_has_not_seen() -> None:
    train = polars.DataFrame({"n": [1.0, 3.0] * 5, "plain": ["a", "b"] * 5, "rare": ["a", "a", "a", "a", "c"] * 2})
    columns = fit(train, {"n": "number", "plain": "category", "rare": "category"})
    new = polars.DataFrame({"rare": ["z", None], "plain": ["z", None], "n": [None, 5]})  # in any order
    assert encoded_names(columns) == ["n", "plain=a", "plain=b", "rare=a", "rare=other"]
    assert encode(columns, new).tolist() == [[0, 0, 0, 0, 1], [3, 0, 0, 0, 0]]


def test_a_column_that_is_constant_in_training_is_left_out_and_missing_cells_alone_are_kept() -> None:
    train = polars.DataFrame({"a": [7, 7], "b": ["x", "x"], "c": [7, None], "d": [None, None], "e": [0.1 + 1e-17, 0.1]})
    kinds: dict[str, Kind] = {name: "category" if name == "b" else "number" for name in train.columns}
    assert encoded_names(fit(train, kinds)) == ["c=missing"]
    assert encode([], train).shape == (2, 0)


def test_the_record_is_plain_and_bounded() -> None:
    words = [f"w{k:03}" for k in range(100) for _ in range(RARE)] + ["w000", "x" * 1000] * 4
    columns = fit(polars.DataFrame({"word": words}), {"word": "category"})
    assert columns == json.loads(json.dumps(columns))
    assert len(columns[0]["values"]) == MOST
    assert "w000" in columns[0]["values"]
    assert columns[0]["other"]


def test_a_number_is_the_same_whatever_type_it_is_stored_in() -> None:
    columns = fit(polars.DataFrame({"code": [1, 2] * 5, "n": [1, 2] * 5}), {"code": "category", "n": "number"})
    stored = [polars.DataFrame({"code": [1, 2], "n": [1, 2]}, schema={"code": kind, "n": kind}) for kind in NUMBERS]
    stored.append(polars.DataFrame({"code": ["1", "2"], "n": ["1", "2"]}))
    assert {encode(columns, frame).tobytes() for frame in stored} == {encode(columns, stored[0]).tobytes()}


def test_times_are_days_since_1970_and_text_in_iso_form_is_a_time() -> None:
    for values, days in (
        ([date(1970, 1, 2), None], [1, None]),
        ([datetime(1970, 1, 2, 12), datetime(1970, 1, 1)], [1.5, 0]),
        ([time(6), time(12)], [0.25, 0.5]),
        ([timedelta(days=2), timedelta(hours=12)], [2, 0.5]),
        (["1970-01-02", "1970-01-02T12:00", "1970-01-02 18:00:00.0Z", None], [1, 1.5, 1.75, None]),
    ):
        column = polars.Series("when", values)
        assert kind_of(column) == "time"
        assert as_kind(column, "time").to_list() == days


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["1", "one"], "number", "column 'c' must hold finite numbers, got 'one' in row 2"),
        ([1.0, float("inf")], "number", "column 'c' must hold finite numbers, got inf in row 2"),
        (["1970-01-01", "2nd of May"], "time", "column 'c' must hold finite times, got '2nd of May' in row 2"),
    ],
)
def test_cells_of_another_kind_are_named(cells: list[object], kind: Kind, message: str) -> None:
    frame = polars.DataFrame({"c": cells})
    with pytest.raises(ValueError, match=f"^{message}$"):
        encode([{"name": "c", "kind": kind, "median": 0.0, "mean": 0.0, "std": 1.0, "missing": False}], frame)


def test_a_lost_column_and_numbers_without_a_variance_are_one_line() -> None:
    columns = fit(a_table(), {"age": "number"})
    with pytest.raises(ValueError, match=r"^column=age is no column of the table; did you mean ago"):
        encode(columns, polars.DataFrame({"ago": [1]}))
    with pytest.raises(ValueError, match=r"^column 'x' has numbers too large"):
        fit(polars.DataFrame({"x": [1e300, -1e300]}), {"x": "number"})


def test_identifiers_constants_and_what_holds_no_cells_are_left_out_by_name() -> None:
    n = 60
    frame = polars.DataFrame(
        {
            "counter": range(n),
            "sorted": [k * k for k in range(n)],
            "text": [f"t{k}" for k in range(n)],
            "constant": ["x"] * n,
            "empty": [None] * n,
            "list": [[1]] * n,
            "half": [f"h{k // 5}" for k in range(n)],
            "thirds": [f"p{k // 2}" for k in range(n)],
            "age": [(k * 37) % 61 for k in range(n)],
            "float": [k / 7 for k in range(n)],
            "sometimes": [1, None] * (n // 2),
        }
    )
    found = {name: reason for name, _, reason in features_of(frame, (), ())}
    assert {name for name, reason in found.items() if reason is None} == {"half", "age", "float", "sometimes"}
    assert found["counter"] == found["sorted"] == "an identifier: whole numbers that count the rows"
    assert found["thirds"] == "an identifier or free text: 30 different values in 60 rows"
    assert found["text"] == "an identifier or free text: 60 different values in 60 rows"
    assert (found["constant"], found["empty"], found["list"]) == ("it is constant", "it is empty", "it holds list")
    kept = {name: (kind, reason) for name, kind, reason in features_of(frame, ("age",), ("counter", "list"))}
    assert kept["counter"] == ("number", None)
    assert kept["list"] == (None, "it holds list")
    assert kept["age"] == ("category", "an identifier or free text: 60 different values in 60 rows")
