"""Stacks as tasks of a real SLURM of two nodes: eval "$(scripts/dev_cluster.sh up)" starts one."""

import re
from pathlib import Path

import pytest
from run_files import assert_same, result_of
from slurm_cluster import SLURM, TRAIN, queued, slurm, until
from slurm_cluster import cluster as cluster
from typed import assert_one_line, command

from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress import progress_of

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(500)]
STACK = (*SLURM, "hydra.launcher.stack=true", "hydra.launcher.memory_gb=4", "hydra.sweeper.report=false")
DIGITS = ("data=digits", "model=mlp", "loss=cross_entropy,power", "trainer=cpu", "logger=none")


def runs_of(listed: Path) -> list[RunDirectory]:
    return [RunDirectory(Path(line)) for line in listed.read_text().splitlines()]


def results_in(folder: Path) -> list[Path]:
    return sorted(path.parent.relative_to(folder) for path in folder.rglob("result.json"))


def test_a_sweep_as_two_stacks_of_which_one_is_queued_again_equals_the_same_stacks_here(tmp_path: Path) -> None:
    words = (*DIGITS, "seed=range(200)", "trainer.max_epochs=25")
    left = command(TRAIN, *STACK, *words, "hydra.launcher.wait=false", runs=tmp_path / "slurm")
    found = re.search(r"submitted 400 runs in 2 stacks of at most 200 as job (\d+)", left.stdout)
    assert found, left.stdout + left.stderr
    (first,) = (tmp_path / "slurm").rglob("stack0.txt")
    runs = runs_of(first)
    until(lambda: progress_of([runs[0].path]))
    assert {run.status["job"] for run in runs} == {f"{found[1]}_0"}
    slurm("scontrol", "requeue", f"{found[1]}_0")
    until(lambda: "SLURM has queued job" in runs[-1].status.get("reason", ""), 30)
    assert {run.status["status"] for run in runs} == {"preempted"}
    assert re.match(r"stopped at step \d+ of 400: asked to stop: SIG", runs[0].status["reason"])

    attached = command(TRAIN, *STACK, *words, runs=tmp_path / "slurm")
    assert (attached.returncode, attached.stderr) == (0, "")
    assert "submitted" not in attached.stdout
    assert f"job {found[1]}_0: 200 runs done" in attached.stdout
    assert all(result_of(run).resumed_at > 0 for run in runs)
    assert not list((tmp_path / "slurm").rglob(".slurm/*/*"))
    assert not list((tmp_path / "slurm").rglob(".stacks/*"))

    here = ("hydra/launcher=vectorized", "hydra.launcher.max_runs=200", "hydra.sweeper.report=false")
    done = command(TRAIN, "-m", *here, *words, runs=tmp_path / "here")
    assert done.returncode == 0, done.stderr
    names = results_in(tmp_path / "here")
    assert len(names) == 400
    for name in names:
        assert_same(RunDirectory(tmp_path / "slurm" / name), RunDirectory(tmp_path / "here" / name))


def test_what_is_cancelled_or_fails_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    words = (*DIGITS, "seed=range(8)", "trainer.max_epochs=300", "optimizer.lr=1e-3,1e30")
    many = (*STACK, "hydra.launcher.max_runs=16", *words)
    left = command(TRAIN, *many, "hydra.launcher.wait=false", runs=tmp_path)
    found = re.search(r"submitted 32 runs in 2 stacks of at most 16 as job (\d+)", left.stdout)
    assert found, left.stdout + left.stderr
    (first,) = tmp_path.rglob("stack0.txt")
    runs = runs_of(first)
    until(lambda: progress_of([runs[0].path]))
    slurm("scancel", f"{found[1]}_0")
    until(lambda: f"{found[1]}_0" not in queued(), 60)
    assert {run.status["status"] for run in runs} == {"cancelled"}
    assert f"sbatch {first.with_suffix('.sh')} goes on from here" in runs[0].status["reason"]
    until(lambda: not queued())
    again = command(TRAIN, *many, runs=tmp_path)
    assert_one_line(again.returncode, again.stderr, "16 of 32 runs failed")
    assert "became nan or infinite" in again.stdout
    assert len(results_in(tmp_path)) == 16
