"""Files of a run directory are read within bounds of size, depth and time."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from damage import OBJECTS, YAML

from lossbench.rundir.files import write_json, write_yaml
from lossbench.rundir.reading import DamagedError, check_plain, read_json, read_yaml


@pytest.mark.parametrize("what", [what for what in YAML if what not in ("object",)])
def test_a_hostile_yaml_is_refused_at_once(tmp_path: Path, what: str) -> None:
    YAML[what](tmp_path / "config.yaml")
    start = time.process_time()
    with pytest.raises(DamagedError, match=r"config\.yaml cannot be read \(.*force=true"):
        read_yaml(tmp_path / "config.yaml")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("what", list(OBJECTS))
def test_a_hostile_json_is_refused_at_once(tmp_path: Path, what: str) -> None:
    OBJECTS[what](tmp_path / "result.json")
    start = time.process_time()
    with pytest.raises(DamagedError, match=r"result\.json (cannot be read|is damaged)"):
        read_json(tmp_path / "result.json")
    assert time.process_time() - start < 2


def test_an_alias_counts_as_often_as_it_is_used(tmp_path: Path) -> None:
    shared = ["a"] * 100
    (tmp_path / "few.yaml").write_text(yaml.safe_dump({str(k): shared for k in range(1000)}))
    assert read_yaml(tmp_path / "few.yaml")["999"] == shared
    (tmp_path / "many.yaml").write_text(yaml.safe_dump({str(k): shared for k in range(11_000)}))
    with pytest.raises(DamagedError, match="more than 1,000,000 values"):
        read_yaml(tmp_path / "many.yaml")


def test_long_lists_of_plain_values_are_read(tmp_path: Path) -> None:
    whole = {"classes": [f"n{k:08d}, a class - of [many]" for k in range(21_000)], "deep": {"a": [[{"b": None}]]}}
    for write, read, name in ((write_yaml, read_yaml, "x.yaml"), (write_json, read_json, "x.json")):
        write(tmp_path / name, whole)
        assert read(tmp_path / name) == whole


@pytest.mark.parametrize("value", [{1: 2, "a": 3}, [2**70], [{"a": {1, 2}}], object()])
def test_what_is_not_plain_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"it holds|a number in it|keys of different kinds"):
        check_plain(value)
