"""A sweep is planned as a whole: a run directory that cannot be used is named, the others are planned."""

import json
import shutil
from pathlib import Path

from lossbench.config.composition import composed, hydra_started, plain
from lossbench.config.resolve import accept
from lossbench.launch.expand import Job, Part
from lossbench.launch.plan import Planned, check_jobs, plan_checked
from lossbench.report.looks import read_history
from lossbench.report.plans import record_plans
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.identity import identity_hash


def planned(runs_dir: Path, *sweep: tuple[str, ...]) -> Planned:
    """Plan a sweep; each job is its overrides."""
    jobs = [Job(tuple(Part(text, None, None, swept=True) for text in words)) for words in sweep]
    with hydra_started():
        checked = check_jobs(
            jobs, lambda job: plain(composed(["logger=none", f"runs_dir={runs_dir}", *job.overrides])), accept
        )
        return plan_checked(checked, ["test"])


def test_the_run_that_is_damaged_is_named_however_deep_the_damage_lies(tmp_path: Path) -> None:
    sweep = [("loss=power", "seed=0"), ("loss=power", "seed=1"), ("loss=cross_entropy", "seed=0")]
    deep, good, obstructed = planned(tmp_path, *sweep).labels
    (deep.path / "deep" / "seed0" / "er").mkdir(parents=True)
    link = deep.path / "deep" / "seed0" / "er" / "link"
    link.symlink_to("/etc")
    shutil.rmtree(obstructed.path.parent)
    obstructed.path.parent.write_text("x")
    again = planned(tmp_path, *sweep)
    assert [*again.labels] == [good]
    assert [*again.damaged] == [deep, RunDirectory(obstructed.path)]
    assert again.damaged[deep].startswith(f"{link} is a link that leads out of its run directory")


def test_what_a_sweep_plans_is_written_before_it_runs(tmp_path: Path) -> None:
    sweep = [(f"loss={loss}", f"seed={seed}") for loss in ("cross_entropy", "power") for seed in (1, 0)]
    sweep += [("loss=power", "seed=0", "model=linear")]
    runs = planned(tmp_path, *sweep).labels
    for _ in range(2):  # the same again is the same plan
        record_plans(runs, ComparisonSpec(margin=0.02))
    lines = [json.loads(line) for line in (tmp_path / "default" / "journal.jsonl").read_text().splitlines()]
    assert [(line["what"], line["margin"], line["baseline"]) for line in lines] == [("plan", 0.02, "cross_entropy")] * 2
    found = [sorted((arm["loss"], tuple(arm["units"])) for arm in line["arms"].values()) for line in lines]
    assert found == [[("cross_entropy", (0, 1)), ("power", (0, 1))], [("power", (0,))]]
    digest = identity_hash(next(iter(runs)).record)[:16]
    assert len(read_history(tmp_path / "default").family(digest)) == 1
    record_plans([*runs][:2], None)
    assert len((tmp_path / "default" / "journal.jsonl").read_text().splitlines()) == 3


def test_doses_of_the_data_are_one_plan_with_a_trend_of_each_loss(tmp_path: Path) -> None:
    doses = [
        (f"loss={loss}", f"data.label_noise={dose}", "replicate=0") for loss in ("power", "focal") for dose in (0, 0.2)
    ]
    record_plans(planned(tmp_path, *doses, ("loss=power", "replicate=0", "model=linear")).labels, None)
    plan, other = [json.loads(line) for line in (tmp_path / "default" / "journal.jsonl").read_text().splitlines()]
    arms = sorted((arm["loss"], arm.get("trend", "")) for arm in plan["arms"].values())
    trends = [("focal", "data.label_noise"), ("power", "data.label_noise")]
    assert arms == sorted([("focal", ""), ("power", "")] * 2 + trends)
    assert len(other["arms"]) == 1


def test_trials_are_no_part_of_what_will_be_compared(tmp_path: Path) -> None:
    trials = planned(tmp_path, *((f"loss={loss}", "trial=true", "replicate=0") for loss in ("cross_entropy", "power")))
    record_plans(trials.labels, ComparisonSpec())
    assert not (tmp_path / "default" / "journal.jsonl").exists()


def test_a_repeated_replicate_is_planned_once_and_is_no_repeat_of_a_seed(tmp_path: Path) -> None:
    sweep = ("replicate=1", "replicate=1", "seed=1", "replicate=0", "seed=0")
    found = planned(tmp_path, *(("data=digits", word) for word in sweep))
    assert [run.path.name for run in found.labels] == ["replicate1", "seed1", "replicate0", "seed0"]
    assert found.repeated == 1
    assert len({run.path.parent for run in found.labels}) == 2
