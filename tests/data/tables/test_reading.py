"""Files of tables: the same rows from every format, and one line for each kind of damage."""

import gzip
from pathlib import Path

import polars
import pytest

from lossbench.data.tables.reading import read_table, require_column

FRAME = polars.DataFrame({"code": ["007", "08"], "n": [1, None], "x": [0.5, -2.0], "name": ["ü; ,", None]})


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of some content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "comma.csv")
    FRAME.write_csv(tmp_path / "semicolon.csv", separator=";", decimal_comma=True)
    FRAME.write_csv(tmp_path / "tab.tsv", separator="\t", include_bom=True, line_terminator="\r\n")
    FRAME.write_parquet(tmp_path / "columns.parquet")
    FRAME.write_ndjson(tmp_path / "lines.jsonl")
    for name in ("comma.csv", "lines.jsonl"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    for path in tmp_path.iterdir():
        assert read_table(path).equals(FRAME), path.name


def test_csv_words_for_missing_cells_spaces_and_empty_lines(tmp_path: Path) -> None:
    text = 'n, word ,\n 1, NA,a\n\n?,"None", b \n NaN,,c\n,,\n'
    frame = read_table(written(tmp_path, "table.csv", text))
    assert frame.to_dict(as_series=False) == {
        "n": [1, None, None],
        "word": [None, "None", None],
        "column 3": ["a", "b", "c"],
    }


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5"], [1.0, 2.5]),
        (["1", "1e3"], [1.0, 1000.0]),
        (["01234", "56789"], ["01234", "56789"]),
        (["12345678901234567890", "12345678901234567891"], ["12345678901234567890", "12345678901234567891"]),
        (["9007199254740993", "1"], [9007199254740993, 1]),
        (["1", "one"], ["1", "one"]),
        (["true", "false"], ["true", "false"]),
    ],
)
def test_columns_are_numbers_only_where_nothing_is_lost(
    tmp_path: Path, cells: list[str], expected: list[object]
) -> None:
    text = "\n".join(["a,b", *(f"{cell},x" for cell in cells)])
    assert read_table(written(tmp_path, "table.csv", text))["a"].to_list() == expected


def test_lists_of_json_lines_stay_lists(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, "table.jsonl", '{"a": ["x", "y"], "b": ""}\n{"a": []}\n'))
    assert frame.to_dict(as_series=False) == {"a": [["x", "y"], []], "b": [None, None]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "table.xlsx",
            "",
            "its name must end in .csv, .tsv, .parquet, .jsonl, .ndjson, of text also in .gz behind it$",
        ),
        ("table.json", "[]", "write one object a line and call the file .jsonl$"),
        ("table.parquet.gz", "", "its name must end in"),
        ("table.csv", "", "is empty: it has no column$"),
        ("table.csv", "a,b\n", "is empty: it has no row below its header$"),
        ("table.csv", "a,b\n1,2\n1,2,3\n", "cannot be read: row 2 has 3 cells, and the header 2"),
        ("table.csv", "a,b,c\n1,2,3\n1,2\n", "cannot be read: row 2 has 2 cells, and the header 3"),
        ("table.csv", 'a,b\n"1,2\n3,4\n', "cannot be read: row 1 has 1 cells, and the header 2"),
        ("table.csv", "a,b, a\n1,2,3\n", "its first line names 'a' more than once"),
        ("table.csv", "a,b\nä,2\n".encode("latin1"), "it is not UTF-8 text; convert it"),
        ("table.csv", "a,b\nä,2\n".encode("utf-16"), "it is not UTF-8 text; convert it"),
        ("table.csv.gz", "a,b\n1,2\n", "cannot be read: Not a gzipped file"),
        ("table.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:30], "cannot be read: Compressed file ended"),
        ("table.parquet", "a,b\n1,2\n", "cannot be read: parquet: File out of specification"),
        ("table.jsonl", "[1]\n", "cannot be read: NDJSON line expected to contain JSON object"),
        ("table.jsonl", "{\n", "cannot be read: "),
        ("table.jsonl", " \n", "is empty"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(ValueError, match=f"^data.path={path} .*{message}") as caught:
        read_table(path, "data.path")
    assert "\n" not in str(caught.value)


def test_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.csv is no file that exists; give one table$"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match=r"is a folder; give one table .*data=image_folder data.root=PATH"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(ValueError, match=r"is a folder; give one table .*data=image_folder data.root=PATH"):
        read_table(tmp_path / "")


def test_a_column_that_is_missing_is_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^target=nmae is no column of the table; did you mean name\? Ava"):
        require_column(FRAME, "nmae", "target")
    require_column(FRAME, "name", "target")
