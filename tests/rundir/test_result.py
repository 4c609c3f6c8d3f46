"""result.json: written by both engines, read back as it was, refused in one line where it is damaged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from records import RECORD, RESULT, config_with

from lossbench.errors import UserError
from lossbench.rundir.files import write_json
from lossbench.rundir.identity import identity_hash
from lossbench.rundir.result import Measured, Result, Training
from lossbench.rundir.table import table

TRAINING = Training("lightning", "cpu", steps=80, epochs=2, seconds=1.23456, resumed_at=40)
MEASURED = Measured(
    {"test/accuracy": (0.9, 0.02), "val/accuracy": (0.8, None), "test/other": (1.0, None)},
    n={"val": 4, "test": 5},
    scale=0.5,
    predictions="float32",
    classes=["a", "b"],
)


def made(**training: Any) -> Result:
    status = {"command": ["train.py"], "changed_on_resume": [{"git.commit": ["1", "2"]}], "reason": "none"}
    facts = {"skipped_images": {"train": 1}}
    return Result.of(config_with(), status, replace(TRAINING, **training), MEASURED, facts, {"versions": {}, "git": {}})


def test_it_says_what_was_run_and_what_was_found() -> None:
    result = made()
    assert (result.seed, result.data, result.model, result.loss) == (3, "toy", "linear", "cosine_prob")
    assert (result.hash, result.params["loss.alpha"]) == (identity_hash(RECORD), 0.9)
    assert (result.metrics["test/accuracy"], result.half_width_95["val/accuracy"]) == (0.9, None)
    assert (result.steps, result.resumed_at, result.seconds) == (80, 40, 1.235)
    assert (result.command, result.changed_on_resume) == (["train.py"], [{"git.commit": ["1", "2"]}])


@pytest.mark.parametrize("stacked", [None, 12])
def test_what_is_written_is_read_again(tmp_path: Path, stacked: int | None) -> None:
    result = made(stacked_runs=stacked)
    result.write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json") == result


def test_facts_of_the_data_stand_beside_the_other_keys(tmp_path: Path) -> None:
    made().write(tmp_path / "result.json")
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["skipped_images"] == {"train": 1}
    assert written["status"] == "done"
    assert "stacked_runs" not in written
    assert Result.read(tmp_path / "result.json").facts == {"skipped_images": {"train": 1}}


def test_a_trial_alone_has_no_test_split(tmp_path: Path) -> None:
    path, tested = tmp_path / "result.json", made().to_json()
    write_json(path, {**tested, "n": {"val": 4}, "params": {**tested["params"], "trial": True}})
    assert Result.read(path).trial
    write_json(path, {**tested, "n": {"val": 4}})
    with pytest.raises(UserError, match="expected numbers of examples of val and test as n, found"):
        Result.read(path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"metrics": None},
            "is damaged: expected finite numbers as metrics, found None; move it away",
        ),
        ({"metrics": {"test/nll": "0.9"}}, "is damaged: expected finite numbers as metrics"),
        ({"half_width_95": [1]}, "is damaged: expected finite numbers as half_width_95, found [1]"),
        ({"n": 5}, "is damaged: expected numbers of examples of val and test as n, found 5"),
        ({"seed": "0"}, "is damaged: expected a whole number as seed"),
        ({"loss": ["power"]}, "is damaged: expected a text as loss"),
        ({"scale": "a"}, "is damaged: expected a number or null as scale"),
        ({"classes": "ab"}, "is damaged: expected a list of names as classes"),
        ({"hash": "REMOVED", "n": "REMOVED"}, "lacks hash, n; move it away and start the run again"),
    ],
)
def test_a_damaged_one_is_one_line(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    path = tmp_path / "result.json"
    whole = {**RESULT.to_json(), **change}
    write_json(path, {name: value for name, value in whole.items() if value != "REMOVED"})
    with pytest.raises(UserError) as caught:
        Result.read(path)
    assert str(caught.value).startswith(f"{path} {line}")


def test_the_table_has_both_splits_with_their_intervals() -> None:
    result = replace(
        made(),
        metrics={"test/accuracy": 0.9, "val/accuracy": 0.8},
        half_width_95={"test/accuracy": 0.02, "val/accuracy": None},
    )
    head, row = table(result).splitlines()
    assert head.split() == ["val", "(n", "=", "4)", "test", "(n", "=", "5)"]
    assert row.split() == ["accuracy", "(%)", "80.00", "90.00", "±", "2.00"]
