"""The same experiment has the same directory, and nothing in it is ever lost or mixed up."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from records import RECORD, RESULT, config_with

from lossbench.config import schema
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.rundir import directory
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_yaml
from lossbench.rundir.identity import RESULT_VERSION, identity_hash
from lossbench.rundir.planning import plan
from lossbench.rundir.reading import DamagedError

CONFIG = config_with()
CSV = {"_target_": "x.CSV"}


def with_alpha(alpha: float) -> RunConfig:
    return config_with(("loss.alpha", alpha))


def edit(run: RunDirectory, **changes: object) -> RunDirectory:
    write_yaml(run.path / "config.yaml", {**run.record, **changes})
    return RunDirectory(run.path)


def finish(run: RunDirectory) -> None:
    RESULT.write(run.result_path)
    run.checkpoint("last").parent.mkdir()
    run.checkpoint("last").write_bytes(b"weights")


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_the_directory_is_named_after_what_is_in_it(tmp_path: Path) -> None:
    run = plan(CONFIG, tmp_path, command=["train.py", "seed=3"])
    assert run.path == tmp_path / "mine" / f"toy-linear-cosine_prob-{identity_hash(RECORD)[:8]}" / "seed3"
    assert run.record == {**RECORD, "result_version": RESULT_VERSION}
    assert run.status["status"] == "planned"
    assert run.status["command"] == ["train.py", "seed=3"]
    assert "pid" not in run.status  # nobody runs it yet
    assert run.result() is None
    run.verify()


def test_a_planned_run_is_known_as_its_files_say_it(tmp_path: Path) -> None:
    for _ in ("planned", "found again"):
        run = plan(CONFIG, tmp_path)
        anew = RunDirectory(run.path)
        assert (repr(run.record), run.config) == (repr(anew.record), anew.config)


def test_the_same_experiment_is_found_again_untouched(tmp_path: Path) -> None:
    run = plan(CONFIG, tmp_path)
    run.set_status("running")
    finish(run)
    before = content(tmp_path)
    again = plan(config_with(("logger.csv", CSV), ("progress_bar", True)), tmp_path)
    assert again.path == run.path
    assert again.result() == RESULT
    assert content(tmp_path) == before


def test_another_seed_is_a_sibling_and_another_setting_is_not(tmp_path: Path) -> None:
    run = plan(CONFIG, tmp_path)
    sibling, other = plan(config_with(("seed", 0)), tmp_path), plan(with_alpha(0.5), tmp_path)
    assert (sibling.path.parent, sibling.path.name) == (run.path.parent, "seed0")
    assert other.path.parent != run.path.parent
    assert other.path.parent.name.startswith("toy-linear-cosine_prob-")


def test_force_archives_and_loses_nothing(tmp_path: Path) -> None:
    run = plan(CONFIG, tmp_path)
    finish(run)
    before = content(run.path)
    new = plan(CONFIG, tmp_path, force=True)
    assert (new.path, new.result(), new.status["status"]) == (run.path, None, "planned")
    plan(CONFIG, tmp_path, force=True)
    kept = sorted((tmp_path / ".archive" / "mine" / run.path.parent.name).iterdir())
    assert len(kept) == 2
    assert before in [content(path) for path in kept]


def test_force_respects_a_living_owner(tmp_path: Path) -> None:
    run = plan(CONFIG, tmp_path)
    before = content(run.path)
    with run.lock(), pytest.raises(UserError, match="is being run by"):
        plan(CONFIG, tmp_path, force=True)
    assert content(run.path) == before
    assert not (tmp_path / ".archive").exists()


def test_a_collision_of_eight_digits_takes_sixteen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (directory, schema):
        monkeypatch.setattr(module, "identity_hash", lambda config: "01234567" + identity_hash(config)[8:])
    first, second = plan(config_with(), tmp_path), plan(with_alpha(0.5), tmp_path)
    assert first.path.parent.name == "toy-linear-cosine_prob-01234567"
    assert second.path.parent.name == f"toy-linear-cosine_prob-01234567{identity_hash(with_alpha(0.5).record)[8:16]}"
    assert plan(config_with(), tmp_path).path == first.path
    assert plan(with_alpha(0.5), tmp_path).path == second.path
    second.verify()


def test_what_collides_for_good_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (directory, schema):
        monkeypatch.setattr(module, "identity_hash", lambda config: "0" * 64)
    for alpha in (0.1, 0.2, 0.3):
        plan(with_alpha(alpha), tmp_path)
    with pytest.raises(UserError, match="holds another experiment with the same hash; choose another study=NAME"):
        plan(with_alpha(0.4), tmp_path)


@pytest.mark.parametrize(
    "changes", [{"seed": 4}, {"loss": {"name": "cosine_prob", "alpha": 0.8}}, {"monitor": "val/nll"}]
)
def test_an_edited_configuration_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = edit(plan(CONFIG, tmp_path), **changes)
    line = (
        r"config\.yaml does not belong to this directory: it describes \w{8}/seed\d, "
        r"the directory says \w{8}/seed3; undo the edit"
    )
    with pytest.raises(UserError, match=line):
        run.verify()
    with pytest.raises(UserError, match=line):
        plan(CONFIG, tmp_path)


REPLICATES = [
    config_with(("seed", r), ("replicate", r), ("data.replicate", r), ("fingerprint", "fedcba9876543210"))
    for r in (0, 7)
]


def test_replicates_are_siblings_and_not_those_of_seeds(tmp_path: Path) -> None:
    first, seventh = (plan(config, tmp_path) for config in REPLICATES)
    assert (first.path.name, seventh.path.name) == ("replicate0", "replicate7")
    assert first.path.parent == seventh.path.parent != plan(CONFIG, tmp_path).path.parent
    first.verify()
    seventh.verify()
    assert seventh.config.unit == REPLICATES[1].unit == 7
    assert plan(REPLICATES[1], tmp_path).path == seventh.path


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"replicate": 6}, r"it describes \w{8}/replicate6, the directory says \w{8}/replicate7"),
        ({"replicate": None}, r"it describes \w{8}/seed7, the directory says \w{8}/replicate7"),
        ({"seed": 6}, r"is damaged: seed=6, but replicate=7, which decides the seed"),
        ({"data": {**RECORD["data"], "replicate": 6}}, r"is damaged: data\.replicate=6, but replicate=7: they are one"),
    ],
)
def test_an_edited_replicate_is_refused(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    run = edit(plan(REPLICATES[1], tmp_path), **changes)
    with pytest.raises(UserError, match=line):
        (run.verify(), run.config)


def test_an_edit_that_changes_no_number_is_accepted(tmp_path: Path) -> None:
    run = edit(plan(CONFIG, tmp_path), logger={"csv": CSV}, progress_bar=True)
    run.verify()
    assert plan(CONFIG, tmp_path).config.progress_bar is True


@pytest.mark.parametrize("name", ["seed3/../../renamed/seed3", "seed3/../../no-hash-/seed3", "seed03", "seed3x"])
def test_a_renamed_directory_is_refused(tmp_path: Path, name: str) -> None:
    run = plan(CONFIG, tmp_path)
    target = (run.path.parent / name).resolve()
    target.parent.mkdir(exist_ok=True)
    run.path.rename(target)
    with pytest.raises(UserError, match="does not belong to this directory"):
        RunDirectory(target).verify()


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError,
        match=r"cannot write .*file/mine.*Not a directory; free some space or choose another place with runs_dir",
    ):
        plan(CONFIG, tmp_path / "file")


def test_a_file_in_the_place_of_an_experiment_stops_this_run_alone(tmp_path: Path) -> None:
    path = plan(CONFIG, tmp_path).path
    shutil.rmtree(path.parent)
    path.parent.write_text("x")
    for force in (False, True):
        with pytest.raises(DamagedError, match=rf"{path} cannot be made in .* \(Not a directory\); move that away"):
            plan(CONFIG, tmp_path, force=force)


def test_a_directory_without_rights_stops_this_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plan(CONFIG, tmp_path).path
    (path / "config.yaml").unlink()  # nobody sees it without the rights
    monkeypatch.setattr("lossbench.rundir.planning.os.access", lambda place, mode: place != closed)
    closed = path
    for force in (False, True):
        with pytest.raises(DamagedError, match=rf"{path} cannot be read and written .*; chmod u\+rwx {path} allows it"):
            plan(CONFIG, tmp_path, force=force)
    closed = path.parent
    assert plan(CONFIG, tmp_path).path == path
    with pytest.raises(DamagedError, match=rf"{path} cannot be archived .*; chmod u\+rwx {path.parent} allows it"):
        plan(CONFIG, tmp_path, force=True)
    assert path.is_dir()


def test_many_plan_the_same_at_once(tmp_path: Path) -> None:
    code = "import json, sys, pathlib\nfrom lossbench.config.schema import RunConfig\n"
    code += "from lossbench.rundir.planning import plan\n"
    code += "config = json.loads(sys.argv[1])\nsys.stdin.read()\nfor seed in range(20):\n"
    code += "    plan(RunConfig.of({**config, 'seed': seed}), pathlib.Path(sys.argv[2])).verify()"
    command = [sys.executable, "-c", code, json.dumps(RECORD), str(tmp_path)]
    planners = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for planner in planners:
        assert planner.stdin is not None
        planner.stdin.close()
    assert [planner.wait(timeout=600) for planner in planners] == [0] * 4
    runs = [RunDirectory(path) for path in next((tmp_path / "mine").iterdir()).iterdir()]
    assert sorted(run.config.seed for run in runs) == list(range(20))
    assert all(
        set(content(run.path)) == {"config.yaml", "status.json"} and run.status["status"] == "planned" for run in runs
    )


def test_status_keeps_facts_and_drops_a_reason_that_no_longer_holds(tmp_path: Path) -> None:
    run = plan(CONFIG, tmp_path, command=["x"])
    run.set_status("failed", reason="out of memory")
    assert (run.status["status"], run.status["reason"]) == ("failed", "out of memory")
    run.set_status("done")
    assert "reason" not in run.status
    assert {"planned", "failed", "done", "updated", "host", "pid"} <= set(run.status)
    assert run.status["command"] == ["x"]


@pytest.mark.parametrize(
    ("keep", "left"), [("all", {"last", "best"}), ("last", {"last"}), ("best", {"best"}), ("none", set())]
)
def test_only_wanted_checkpoints_are_kept(tmp_path: Path, keep: str, left: set[str]) -> None:
    run = RunDirectory(tmp_path)
    run.checkpoint("last").parent.mkdir()
    for name in ("last", "best"):
        run.checkpoint(name).touch()
    run.prune_checkpoints(keep)
    assert {name for name in ("last", "best") if run.checkpoint(name).exists()} == left
