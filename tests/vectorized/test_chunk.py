"""A stack that is too large for memory is halved until its runs fit; a run that does not fit alone is named."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, plan_run
from run_files import assert_same, result_of

from lossbench.config.schema import RunConfig
from lossbench.job.signals import StopSignals
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result
from lossbench.training.assemble import assemble
from lossbench.vectorized import assembly, group, memory
from lossbench.vectorized.checkpoint import key_of, save_stack
from lossbench.vectorized.engine.stack import Stack
from lossbench.vectorized.launch import stacks
from lossbench.vectorized.launch.stacks import run_stacked
from lossbench.vectorized.measure import spread
from lossbench.vectorized.memory import Limits
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
ERRORS = (
    RuntimeError(f"{CPU}144000000 bytes. Error code 12 (Cannot allocate memory)"),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"),
    MemoryError(),
)


@pytest.fixture
def room_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], list[int]]:
    """Let memory hold so many runs; the sizes of the stacks that are trained go to the list."""

    def limit(most: int, error: Exception) -> list[int]:
        train_step, sizes = Stack.train_step, list[int]()

        def step(stack: Stack) -> Any:
            if len(stack) > most and stack.step > 1:  # measuring takes two steps
                raise error
            sizes.append(len(stack))
            return train_step(stack)

        monkeypatch.setattr(Stack, "train_step", step)
        return sizes

    return limit


def planned_runs(root: Path, count: int, *more: str) -> list[RunDirectory]:
    words = ("data=toy", "trainer=cpu", "trainer.max_steps=4", "figures=false", *more)
    return [plan_run(root, *words, f"seed={seed}") for seed in range(count)]


def train(runs: Sequence[RunDirectory], memory_gb: float | None = None) -> SweepProgress:
    progress = SweepProgress({run: f"seed={run.config.seed}" for run in runs}, runs, "test/accuracy")
    run_stacked(runs, progress, memory_gb)
    return progress


@pytest.mark.parametrize("error", ERRORS, ids=["cpu", "cuda", "python"])
def test_a_stack_that_does_not_fit_is_halved_and_changes_nothing(
    tmp_path: Path,
    room_for: Callable[[int, Exception], list[int]],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    whole, halved = (planned_runs(tmp_path / name, 7) for name in ("whole", "halved"))
    train(whole)
    capsys.readouterr()
    sizes = room_for(2, error)
    progress = train(halved)
    printed = capsys.readouterr().out
    assert "out of memory with 7 runs: going on with at most 4 at once" in printed
    assert "out of memory with 4 runs: going on with at most 2 at once" in printed
    assert "one by one" not in printed
    assert set(sizes[-16:]) == {1, 2}
    assert (progress.done, progress.failed, progress.running) == (7, {}, 0)
    for one, other in zip(halved, whole, strict=True):
        assert_same(one, other)


def test_a_run_that_does_not_fit_alone_fails_with_what_to_change(
    tmp_path: Path, room_for: Callable[[int, Exception], list[int]]
) -> None:
    runs = planned_runs(tmp_path, 2)
    room_for(0, ERRORS[0])
    progress = train(runs)
    reason = (
        f"out of memory (0.144 GB more could not be had): take a smaller data.batch_size (now "
        f"{runs[0].config.data.batch_size}) or a smaller model (model={runs[0].config.model.name}), or give the "
        "process more memory (hydra.launcher.memory_gb on a cluster)"
    )
    assert set(progress.failed.values()) == {reason}
    assert [run.status["reason"] for run in runs] == [reason, reason]
    assert progress.running == 0


def test_fewer_runs_are_measured_where_eight_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lossbench.vectorized import measure

    tried: list[int] = []

    def measured(configs: Sequence[RunConfig], parts: Any, device: torch.device) -> float | None:
        tried.append(len(configs))
        return 5.0 if len(configs) == 1 else None

    monkeypatch.setattr(measure, "_measured", measured)
    configs = [run.config for run in planned_runs(tmp_path, 1)] * 20
    assert measure.bytes_per_run(configs, None, torch.device("cpu")) == 5.0  # pyright: ignore[reportArgumentType]
    assert tried == [8, 4, 2, 1]


def test_memory_is_measured_on_runs_that_see_other_batches(tmp_path: Path) -> None:
    config = planned_runs(tmp_path, 1)[0].config
    configs = [replace(config, seed=seed) for _ in range(8) for seed in range(10)]  # eight losses, ten seeds
    assert len({each.seed for each in spread(configs, 8)}) == 8


LIMITED = """
import resource, sys
from pathlib import Path
import psutil
from test_chunk import planned_runs, train
root = Path(sys.argv[1])
wide = ("model=mlp", "model.hidden=[2000,2000]")
train(planned_runs(root / "warm", 1, *wide))
addresses = psutil.Process().memory_info().vms + 700_000_000
resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
progress = train(planned_runs(root / "runs", 8, *wide), memory_gb=100)
print(progress.done, progress.failed)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts the addresses of a process")
def test_a_real_limit_halves_a_stack_too(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), str(ROOT / "tests")))}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False, env=env
    )
    assert done.stdout.splitlines()[-1] == "8 {}", done.stdout + done.stderr
    assert "out of memory with 8 runs: going on with at most 4 at once" in done.stdout


def test_a_status_that_is_damaged_after_planning_fails_that_run_alone(tmp_path: Path) -> None:
    runs = planned_runs(tmp_path, 3)
    (runs[1].path / "status.json").write_text("{")
    progress = train(runs)
    assert (progress.done, progress.running) == (2, 0)
    assert list(progress.failed) == [runs[1]]
    assert progress.failed[runs[1]].startswith(f"{runs[1].path / 'status.json'} cannot be read (")


@pytest.mark.parametrize("damage", [b"", b"no stack", {"state_dict": {}}, {"runs": 3, "state_dict": {}}])
def test_a_damaged_stack_is_named_and_set_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes | dict[str, Any]
) -> None:
    runs = planned_runs(tmp_path, 2)
    saved = runs[0].path.parents[1] / ".stacks" / "0.ckpt"
    saved.parent.mkdir()
    if isinstance(damage, bytes):
        saved.write_bytes(damage)
    else:
        torch.save(damage, saved)
    assert train(runs).done == 2
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{saved} is ")]
    assert line.endswith("; it is now 0.damaged, and its runs start from the beginning")
    assert [path.name for path in saved.parent.iterdir()] == ["0.damaged"]


def test_a_stack_with_a_damaged_state_fails_its_runs_with_a_way_out_that_works(tmp_path: Path) -> None:
    runs = planned_runs(tmp_path, 2)
    saved = runs[0].path.parents[1] / ".stacks" / "0.ckpt"
    saved.parent.mkdir()
    torch.save({"runs": [key_of(run) for run in runs], "state_dict": {"stack": {}}}, saved)
    for reason in train(runs).failed.values():
        assert reason.startswith(f"{saved} cannot be resumed from (")
        assert reason.endswith("; delete it and repeat the command to train from the beginning")
    saved.unlink()
    assert train(runs).done == 2


def save(runs: Sequence[RunDirectory]) -> None:
    """Save a stack of runs before its first step."""
    configs = [run.config for run in runs]
    save_stack(runs, StackedRuns(configs, Shared(assemble(configs[0])), torch.device("cpu")))


def test_a_run_in_two_saved_stacks_is_trained_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = planned_runs(tmp_path, 4)
    save(runs)  # then memory was too small for four, and the first two were interrupted
    save(runs[:2])
    progress = train(runs)
    assert (progress.done, progress.running) == (4, 0)
    assert capsys.readouterr().out.count("resumed at step 0 of 4") == 2
    assert not list((tmp_path / "toy").rglob("*.ckpt"))


def test_a_stack_killed_while_it_writes_results_is_measured_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(root: Path) -> list[RunDirectory]:
        words = ("data=digits", "trainer=cpu", "trainer.max_steps=20", "logger=none")
        return [plan_run(root, *words, f"optimizer.lr={lr}", f"seed={seed}") for lr in (0.01, 0.1) for seed in range(9)]

    untouched = planned(tmp_path / "untouched")
    train(untouched)
    write, written = Result.write, list[Path]()

    def killed(result: Result, path: Path) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        write(result, path)

    monkeypatch.setattr(Result, "write", killed)
    runs = planned(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        train(runs)
    monkeypatch.setattr(Result, "write", write)
    before = [path.stat().st_mtime_ns for path in written]
    train([run for run in runs if not run.result_path.exists()])
    assert [path.stat().st_mtime_ns for path in written] == before
    for run, whole in zip(runs, untouched, strict=True):
        assert result_of(run).metrics == result_of(whole).metrics
    assert not list(tmp_path.rglob(".stacks/*.ckpt"))


def test_a_run_that_another_process_has_finished_is_left_as_it_is(tmp_path: Path) -> None:
    runs = planned_runs(tmp_path, 3)
    train(runs[:1])
    before = runs[0].result_path.stat().st_mtime_ns
    progress = train(runs)
    assert (progress.done, progress.running) == (3, 0)
    assert runs[0].result_path.stat().st_mtime_ns == before
    assert runs[0].status["status"] == "done"


def test_a_group_without_memory_fails_no_run_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(config: RunConfig) -> Any:
        raise MemoryError

    monkeypatch.setattr(assembly, "assemble", no_memory)
    runs, locked = planned_runs(tmp_path, 2), list[RunDirectory]()
    progress = SweepProgress(dict.fromkeys(runs, ""), runs, "test/accuracy")
    runs[0].log_path.write_text("step 3\n")
    with runs[0].lock():
        group.run_group(runs, progress, Limits(None, None), locked, StopSignals())
    assert (locked, [*progress.failed], progress.running) == ([runs[0]], [runs[1]], 0)
    assert (runs[0].log_path.read_text(), runs[0].status["status"]) == ("step 3\n", "planned")
    assert runs[1].status["status"] == "failed"
    assert "MemoryError" in runs[1].log_path.read_text()


def test_what_has_failed_or_is_locked_is_not_run_one_by_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, alone = planned_runs(tmp_path, 3), list[list[RunDirectory]]()

    def no_stack(members: Any, progress: SweepProgress, limits: Limits, locked: list[RunDirectory], _: Any) -> str:
        locked.append(runs[0])
        progress.failed[runs[1]] = "its loss does not fit"
        return "model=odd cannot be mapped over runs"

    monkeypatch.setattr(stacks, "run_group", no_stack)
    monkeypatch.setattr(stacks, "run_here", lambda members, progress: alone.append(list(members)))
    train(runs)
    assert alone == [[runs[2]], [runs[0]]]


@pytest.mark.parametrize(
    ("wanted", "few", "written"), [("auto", 2, True), ("auto", 1, False), (True, 1, True), (False, 2, False)]
)
def test_large_stacks_write_records_for_tensorboard_where_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wanted: bool | str,
    few: int,
    written: bool,
) -> None:
    monkeypatch.setattr(memory, "FEW_RUNS", few)
    runs = planned_runs(tmp_path, 2, "logger=tensorboard")
    run_stacked(runs, SweepProgress(dict.fromkeys(runs, ""), runs, "test/accuracy"), tensorboard=wanted)
    assert [(run.path / "tensorboard").exists() for run in runs] == [written, written]
    assert ("hydra.launcher.tensorboard=true writes them" in capsys.readouterr().out) != written


def test_a_stack_leaves_no_lock_and_each_status_is_replaced_alone(tmp_path: Path) -> None:
    runs = planned_runs(tmp_path, 3)
    train(runs)
    assert {run.status["status"] for run in runs} == {"done"}
    assert not [*tmp_path.rglob("lock.json*"), *tmp_path.rglob("*.tmp")]
    runs[0].set_status("failed", reason="by hand")
    assert [run.status["status"] for run in runs] == ["failed", "done", "done"]
