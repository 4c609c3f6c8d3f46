"""Settings are turned into YAML key by key, and what came before is remembered: the text is that of the whole."""

from typing import Any

import pytest
import yaml
from records import RECORD

from lossbench.rundir import plain_yaml
from lossbench.rundir.plain_yaml import DUMPER, yaml_text

LONG = "a word and another " * 12
SHARED = [1, 2.0]


@pytest.mark.parametrize("most", [plain_yaml.MOST_KNOWN, 2])
def test_the_text_is_that_of_the_whole_record(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(plain_yaml, "MOST_KNOWN", most)
    records: list[dict[str, Any]] = [RECORD, {}]
    records += [{"a": value, "b": {"c": value}} for value in (1, 1.0, True, None, "1", "true", "", 1e-5, "ü", LONG)]
    records += [{"a": [], "b": {}, "c": [[1, {"d": (1, 2)}]]}, {1: "x", "1": 1, "y": "no"}, {"a": SHARED, "b": [3]}]
    for _ in range(2):
        for record in records:
            whole = yaml.dump(record, Dumper=DUMPER, sort_keys=False, allow_unicode=True, width=140)
            assert yaml_text(record) == whole
