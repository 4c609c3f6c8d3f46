"""A sweep is planned as a whole: a run directory that cannot be used is named, the others are planned."""

import shutil
from pathlib import Path

from lossbench.config.composition import composed, hydra_started, plain
from lossbench.config.resolve import accept
from lossbench.launch.expand import Job, Part
from lossbench.launch.plan import Planned, check_jobs, plan_checked
from lossbench.rundir.directory import RunDirectory


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
