"""One table of any set of run directories: what is found, what is refused, and nothing rounded on the way."""

import csv
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from made_runs import change, cut_in_half, make_arm, make_run, read, write

from lossbench.errors import UserError
from lossbench.report import records
from lossbench.report.arms import by_unit, make_arms
from lossbench.report.comparable import require_comparable
from lossbench.report.records import find_runs, read_record
from lossbench.report.records_csv import run_rows, write_csv
from lossbench.report.sets import comparable_sets
from lossbench.rundir.identity import RESULT_VERSION

RESULT_COLUMNS = (
    "study", "data", "model", "loss", "hash", "replicate", "seed", "steps", "epochs", "seconds",
    "peak_memory_mb", "engine", "device",
)  # fmt: skip


def test_runs_are_found_at_any_depth_by_name_once(tmp_path: Path) -> None:
    study = tmp_path / "runs" / "study"
    made = make_arm(study, "power", [0.9, 0.9]) + make_arm(study, "cross_entropy", [0.9])
    make_run(tmp_path / "runs" / ".archive" / "study")
    (study / "reports" / "digits-mlp-0" / "figures").mkdir(parents=True)
    assert find_runs([tmp_path]) == sorted(made)
    assert find_runs([made[1]]) == [made[1]]
    assert find_runs([made[1], tmp_path, study]) == [made[1], *(path for path in sorted(made) if path != made[1])]


def test_nothing_inside_a_run_is_a_run(tmp_path: Path) -> None:
    outer = make_run(tmp_path / "study")
    make_run(outer / "predicted")
    assert find_runs([tmp_path]) == [outer]


@pytest.mark.parametrize(
    ("name", "mention"), [("missing", "does not exist"), ("empty", "there is no run in"), ("file", "does not exist")]
)
def test_folders_without_runs_are_named(tmp_path: Path, name: str, mention: str) -> None:
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=mention) as caught:
        find_runs([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_one_missing_folder_among_others_is_not_passed_over(tmp_path: Path) -> None:
    make_run(tmp_path / "study")
    with pytest.raises(UserError, match="other does not exist"):
        find_runs([tmp_path, tmp_path / "other"])


@pytest.mark.parametrize(
    ("said", "has_result", "state"),
    [
        ("running", True, "done"),
        ("done", True, "done"),
        (None, True, "done"),
        ("running", False, "running"),
        ("failed", False, "failed"),
        ("invalid", False, "invalid"),
        ("done", False, "planned"),
    ],
)
def test_the_result_decides_what_is_done(tmp_path: Path, said: str | None, has_result: bool, state: str) -> None:
    path = make_run(tmp_path / "study", status={"status": said})
    if said is None:
        (path / "status.json").unlink()
    if not has_result:
        (path / "result.json").unlink()
    record = read_record(path)
    assert record.state == state
    assert bool(record.metrics) == has_result


@pytest.mark.parametrize("name", ["status.json", "result.json"])
@pytest.mark.parametrize("damage", ["half", "empty", "list", "binary"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    path = make_run(tmp_path / "study") / name
    if damage == "half":
        cut_in_half(path)
    else:
        path.write_bytes({"empty": b"", "list": b"[1]", "binary": b"\xff\x00\x81"}[damage])
    with pytest.raises(UserError, match=rf"seed0/{name} .*move it away and start the run again"):
        read_record(path.parent)


@pytest.mark.parametrize("key", ["metrics", "params", "seed", "loss", "hash", "n", "fingerprint"])
def test_a_result_without_a_key_is_named(tmp_path: Path, key: str) -> None:
    path = make_run(tmp_path / "study") / "result.json"
    write(path, {name: value for name, value in json.loads(path.read_text()).items() if name != key})
    with pytest.raises(UserError, match=rf"result\.json lacks {key};"):
        read_record(path.parent)


@pytest.mark.parametrize(
    "metrics", [None, [1], {"test/accuracy": "0.9"}, {"test/accuracy": math.nan}, {"test/nll": math.inf}]
)
def test_metrics_that_are_no_numbers_are_refused(tmp_path: Path, metrics: Any) -> None:
    path = make_run(tmp_path / "study")
    change(path / "result.json", metrics=metrics)
    with pytest.raises(UserError, match=r"result\.json is damaged: expected finite numbers as metrics"):
        read_record(path)


@pytest.mark.parametrize(
    ("changed", "mention"),
    [
        ({"data": "toy"}, "their data sets differ: digits in {0}, toy in {1}"),
        (
            {"fingerprint": "f" * 64},
            "their data fingerprints (examples and splits) differ: 45f04c9bac38c3d4 in {0}, " + "f" * 16 + " in {1}",
        ),
        (
            {"n": {"val": 359, "test": 300}},
            "their numbers of examples differ: val 359, test 359 in {0}, val 359, test 300 in {1}",
        ),
        (
            {"n": {"val": 10, "test": 359}},
            "their numbers of examples differ: val 359, test 359 in {0}, val 10, test 359 in {1}",
        ),
        (
            {"params": {"result_version": RESULT_VERSION, "evaluate": "best"}},
            "their tested weights (evaluate) differ: last in {0}, best in {1}",
        ),
        ({"classes": ["a"]}, "their classes differ: 10 in {0}, 1 in {1}"),
    ],
)
def test_runs_measured_otherwise_are_not_compared(tmp_path: Path, changed: dict[str, Any], mention: str) -> None:
    same, other = make_arm(tmp_path / "a", "cross_entropy", [0.9, 0.8]), make_run(tmp_path / "b", "power")
    change(other / "result.json", **changed)
    with pytest.raises(UserError) as caught:
        require_comparable(read(tmp_path))
    assert str(caught.value) == "these runs cannot be compared, " + mention.format(same[0], other)


def test_replicates_are_compared_with_replicates_whatever_their_fold(tmp_path: Path) -> None:
    for number, n in ((2, 359), (0, 360)):
        make_run(tmp_path / "a", "power", number, kind="replicate", result={"n": {"val": 359, "test": n}})
    require_comparable(read(tmp_path / "a"))
    ((arm,),) = (make_arms(read(tmp_path / "a")),)
    assert (arm.kind, [*arm.runs]) == ("replicate", [0, 2])
    assert arm.runs[0].done_result.design == "folds"
    limited = make_run(tmp_path / "b", "power", 1, kind="replicate", result={"n": {"val": 359, "test": 64}})
    with pytest.raises(UserError, match=r"their numbers of examples differ: val 359, test 359 in .*, test 64 in"):
        require_comparable(read(tmp_path / "a", limited))
    seed = make_run(tmp_path / "c", "power", 1)
    with pytest.raises(UserError, match=r"their units \(replicates or seeds\) differ: replicates in .*, seeds in"):
        require_comparable(read(tmp_path / "a", seed))
    assert {about: len(runs) for about, runs in comparable_sets(read(tmp_path / "a", seed)).items()} == {
        "replicates": 2,
        "seeds": 1,
    }


def test_settings_device_and_seed_may_differ(tmp_path: Path) -> None:
    for seed, device in enumerate(("cpu", "cuda:0")):
        make_run(
            tmp_path / "study", "power", seed, settings={"optimizer.lr": 0.1 * (seed + 1)}, result={"device": device}
        )
    require_comparable(read(tmp_path))


def test_the_table_is_what_a_naive_loop_over_the_files_gives(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make_arm(study, "power", [0.1 + 0.2, 1 / 3], settings={"loss.q": 0.7})
    make_run(study, "cross_entropy", metrics={"test/nll": 1e-17, "val/nll": None})
    make_run(study, "cosine", state="failed", status={"reason": 'a "word", a\nline, <b> & ü'})
    make_run(study, "cosine_prob", state="invalid", settings={"loss.alpha": 2.5})
    columns, table = run_rows(read(study))
    write_csv(tmp_path / "records.csv", columns, table)
    with open(tmp_path / "records.csv", newline="") as file:
        found = {row["path"]: row for row in csv.DictReader(file)}
    paths = [Path(folder) for folder, _, names in os.walk(study) if "status.json" in names]
    assert set(found) == set(map(str, paths))
    for path in paths:
        expected = naive_row(path)
        row = {name: cell for name, cell in found[str(path)].items() if cell}
        assert row == {name: str(value) for name, value in expected.items() if value is not None}


def naive_row(path: Path) -> dict[str, Any]:
    status = json.loads((path / "status.json").read_text())
    result = json.loads((path / "result.json").read_text()) if (path / "result.json").exists() else {}
    row = {"path": str(path), "reason": status.get("reason"), "status": status["status"]}
    for name in RESULT_COLUMNS:
        row[name] = result.get(name)
    for name, value in (result or status).get("params", {}).items():
        row[f"params.{name}"] = value
    return row | result.get("metrics", {})


def test_a_broken_character_is_replaced_not_fatal(tmp_path: Path) -> None:
    make_run(tmp_path / "study", state="failed", status={"reason": "no file \udcff.png"})
    write_csv(tmp_path / "records.csv", *run_rows(read(tmp_path)))
    assert "no file ?.png" in (tmp_path / "records.csv").read_text()


def test_the_seconds_of_a_resumed_run_count_all_its_starts(tmp_path: Path) -> None:
    said = {"seconds": 10.0, "resumed_at": 360}  # and result.json has added them up
    assert read_record(make_run(tmp_path / "study", result=said)).seconds == 10.0


def test_a_run_without_a_result_took_no_time(tmp_path: Path) -> None:
    assert read_record(make_run(tmp_path / "study", state="failed")).seconds is None


@pytest.mark.parametrize(
    ("folder", "seed", "named"),
    [
        ("digits-mlp-power-0123abcd", "seed7", ("digits-mlp-power", "0123abcd", 7, "seed")),
        ("digits-mlp-power-0123abcd", "replicate12", ("digits-mlp-power", "0123abcd", 12, "replicate")),
        ("my-data-mlp-cosine_prob-0123abcd", "seed10", ("my-data-mlp-cosine_prob", "0123abcd", 10, "seed")),
        ("digits-mlp-power-0123abcd", "seed", ("digits-mlp-power", "0123abcd", None, "")),
        ("digits-mlp-power-0123abcd", "copy", ("digits-mlp-power", "0123abcd", None, "")),
    ],
)
def test_the_name_of_a_directory_says_what_it_is(
    folder: str, seed: str, named: tuple[str, str, int | None, str]
) -> None:
    assert records.Record(Path("runs") / "study" / folder / seed, {}, None).name == named


def test_runs_are_grouped_by_experiment_and_seed(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.7, 0.8, 0.9])
    make_arm(tmp_path / "study", "power", [0.5], settings={"loss.q": 0.1})
    make_run(tmp_path / "study", "power", 3, state="running")
    groups = by_unit(read(tmp_path))
    assert sorted([run.metrics["test/accuracy"] for run in runs.values()] for runs in groups.values()) == [
        [0.5],
        [0.7, 0.8, 0.9],
    ]
    assert all(
        run.result is not None and run.result.hash == digest for digest, runs in groups.items() for run in runs.values()
    )


def test_of_two_copies_of_a_run_the_first_counts(tmp_path: Path) -> None:
    first, copy = (
        make_run(tmp_path / name / "study", accuracy=accuracy) for name, accuracy in (("b", 0.8), ("a", 0.9))
    )
    ((kept,),) = (runs.values() for runs in by_unit(read(tmp_path / "b", tmp_path / "a")).values())
    assert kept.path == first != copy
