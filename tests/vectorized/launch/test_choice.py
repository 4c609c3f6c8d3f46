"""What hydra/launcher=auto chooses for the runs of a sweep."""

from pathlib import Path

import pytest
from conftest import plan_run

from lossbench.config.schema import RunConfig
from lossbench.vectorized.launch import choice
from lossbench.vectorized.launch.choice import NOTHING_BESIDE, OWN_CHECKPOINT, choose

CLIPPED = "trainer.accumulate_grad_batches=2"


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "most_at_a_time", lambda cpu: 4)


def configs(folder: Path, *settings: tuple[str, ...]) -> list[RunConfig]:
    return [plan_run(folder, "data=toy", f"seed={k}", *words).config for k, words in enumerate(settings)]


def test_groups_are_stacked_and_the_others_are_processes_with_the_reason(tmp_path: Path) -> None:
    runs = configs(tmp_path, (), (CLIPPED,), (), ("trainer.max_epochs=3",), (CLIPPED,), ())
    found = choose(runs, begun={5})
    assert found.groups == [[0, 2]]
    assert found.alone[OWN_CHECKPOINT] == [5]
    assert found.alone[NOTHING_BESIDE] == [3]
    (reason,) = (reason for reason in found.alone if reason.startswith(CLIPPED))
    assert found.alone[reason] == [1, 4]
    assert [*found.lines()] == [
        "stacked: 2 runs in one tensor program",
        f"in 4 processes: 2 runs, because {reason}",
        f"in 4 processes: 1 run, because {OWN_CHECKPOINT}",
        f"in 4 processes: 1 run, because {NOTHING_BESIDE}",
    ]


@pytest.mark.parametrize(("n_jobs", "way"), [(1, "one by one"), (3, "in 2 processes")])
def test_as_many_processes_as_runs_and_jobs(tmp_path: Path, n_jobs: int, way: str) -> None:
    found = choose(configs(tmp_path, (CLIPPED,), (CLIPPED,)), n_jobs)
    assert (found.way, found.in_processes) == (way, n_jobs > 1)


def test_a_distributed_run_is_a_process_and_a_single_run_leaves_no_choice(tmp_path: Path) -> None:
    (run,) = configs(tmp_path, ("data=digits", "trainer=ddp_cpu"))
    found = choose([run])
    assert (found.in_processes, [*found.lines()]) == (True, [])


@pytest.mark.parametrize(("runs", "stacked"), [(31, 0), (32, 32)])
def test_with_several_gpus_a_small_group_is_spread_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int, stacked: int
) -> None:
    monkeypatch.setattr(choice, "visible_gpus", lambda: ["0", "1"])
    (config,) = configs(tmp_path, ("trainer=auto",))
    found = choose([config] * runs)
    assert sum(len(group) for group in found.groups) == stacked
    assert found.n_jobs == (1 if stacked else 4)
