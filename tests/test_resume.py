"""A run that is killed again and again ends exactly like one that is left alone."""

import multiprocessing
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import plan_run

from lossbench.contract.directory import RunDirectory
from lossbench.job import start

SETTINGS = ("data=digits", "model.dropout=0.3", "trainer.max_epochs=30", "loss=cosine_xent_head", "checkpoint.every_n_steps=5")


def final_state(run: RunDirectory) -> tuple[dict[str, torch.Tensor], list[str], dict[str, float]]:
    """Weights, history (without the clock's rows) and metrics."""
    weights = torch.load(run.checkpoint("last"), weights_only=True)["state_dict"]
    rows = [row for row in run.metrics_path.read_text().splitlines() if "steps_per_second" not in row]
    result = run.result()
    assert result is not None
    return weights, rows, result["metrics"]


def assert_same(ours: RunDirectory, theirs: RunDirectory) -> None:
    """Bit for bit."""
    (w1, rows1, m1), (w2, rows2, m2) = final_state(ours), final_state(theirs)
    assert w1.keys() == w2.keys()
    assert all(torch.equal(w1[name], w2[name]) for name in w1)
    assert rows1 == rows2
    assert m1 == m2


def run_here(path: Path) -> None:
    """Run in this process, whose loader workers must see it die: they do as its children, not as the fork server's."""
    multiprocessing.set_start_method("fork", force=True)
    start(RunDirectory(path))


def run_until_done(run: RunDirectory, delay: Callable[[], float]) -> int:
    """Start the run in a process of its own, SIGKILL it after a while, and again; returns how often it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lossbench.run"])
    for kills in range(200):
        process = context.Process(target=run_here, args=(run.path,))
        process.start()
        process.join(delay() if kills < 10 else 120)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        if process.exitcode == 0:
            return kills
    raise AssertionError("the run makes no progress")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("least", "extra"),
    [(10, ()), (3, ("data.num_workers=2",)), (3, ("trainer.max_steps=333", "callbacks=early_stopping"))],
)
def test_killed_at_random_instants(tmp_path: Path, least: int, extra: tuple[str, ...]) -> None:
    whole = plan_run(tmp_path / "whole", *SETTINGS, *extra)
    assert run_until_done(whole, lambda: 120) == 0
    result = whole.result()
    assert result is not None
    seconds, rng, kills = result["seconds"], random.Random(0), 0
    for attempt in range(least):  # a killed process has run for less than the whole takes: every attempt is killed once at least
        if kills < least:
            killed = plan_run(tmp_path / str(attempt), *SETTINGS, *extra)
            kills += run_until_done(killed, lambda: rng.uniform(0.2, 0.9) * seconds)
            assert_same(killed, whole)
    assert kills >= least
