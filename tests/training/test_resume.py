"""A run that is killed again and again ends exactly like one that is left alone."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import plan_run
from run_files import arrays, assert_same

from lossbench.errors import Stopped
from lossbench.job.start import bring_to_result, start
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress_file import ProgressFile
from lossbench.training import fit as module

SETTINGS = (
    "data=digits",
    "model.dropout=0.3",
    "trainer.max_epochs=30",
    "loss=cosine_xent_head",
    "checkpoint.every_n_steps=5",
)


def run_here(path: Path) -> None:
    """Run in this process, whose loader workers must see it die: they do as its children, not as the fork server's."""
    multiprocessing.set_start_method("fork", force=True)
    start(RunDirectory(path))


def run_until_done(run: RunDirectory, delay: Callable[[], float]) -> int:
    """Start the run in a process of its own, SIGKILL it after a while, and again; returns how often it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lossbench.training.fit"])
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


def seconds_of(run: RunDirectory) -> float:
    result = run.result()
    assert result is not None
    return result.seconds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("least", "extra"),
    [(10, ()), (3, ("data.num_workers=2",)), (3, ("trainer.max_steps=333", "callbacks=early_stopping"))],
)
def test_killed_at_random_instants(tmp_path: Path, least: int, extra: tuple[str, ...]) -> None:
    whole, warm = (plan_run(tmp_path / name, *SETTINGS, *extra) for name in ("whole", "warm"))
    assert [run_until_done(run, lambda: 600) for run in (whole, warm)] == [0, 0]
    # The first run of a fork server takes longer than the later ones.
    seconds = min(seconds_of(whole), seconds_of(warm))
    rng, kills = random.Random(0), 0
    for attempt in range(least):
        # A killed process has run for less than the whole takes: every attempt is killed at least once.
        if kills < least:
            killed = plan_run(tmp_path / str(attempt), *SETTINGS, *extra)
            kills += run_until_done(killed, lambda: rng.uniform(0.2, 0.8) * seconds)
            assert_same(killed, whole)
    assert kills >= least


DIGITS = ("data=digits", "model.dropout=0.3")
VIEWS = (
    *("data=fake_images", "data.image_size=16", "data.n_train=40", "data.n_val=12", "data.n_test=13", "figures=false"),
    *("data.cache_dir={folder}/cache", "data.batch_size=16", "model=linear_probe", "model.backbone.pretrained=false"),
    *("features.views=3", "features.dtype=bfloat16", "trainer=cpu"),
)
WEIGHTED = (
    *("data=table", "data.path={folder}/rows.csv", "data.target=kind", "data.weight=w", "data.batch_size=16"),
    *("loss.weight=[1,3]", "trainer.accumulate_grad_batches=2", "model.dropout=0.3", "trainer=cpu"),
)

FALLING = ("loss=focal", "loss.gamma=5", "loss.gamma_end=0")


def write_rows(path: Path) -> None:
    """A table with a column of weights."""
    rng = np.random.default_rng(0)
    lines = [f"{a:.4f},{b:.4f},{'ab'[k % 2]},{1 + k % 3}" for k, (a, b) in enumerate(rng.normal(size=(80, 2)))]
    path.write_text("\n".join(["first,second,kind,w", *lines, ""]))


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize(
    "words",
    [DIGITS, (*DIGITS, "trial=true"), VIEWS, WEIGHTED, (*DIGITS, *FALLING), (*DIGITS, "data.label_noise=0.4")],
    ids=["run", "trial", "views", "weights", "scheduled loss", "wrong labels"],
)
def test_a_replicate_that_is_stopped_goes_on_with_its_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    write_rows(tmp_path / "rows.csv")
    words = tuple(word.format(folder=tmp_path) for word in words)
    words = (*words, "replicate=6", "trainer.max_steps=12", "data.steps_per_epoch=5")
    whole, stopped = (plan_run(tmp_path / name, *words) for name in ("whole", "stopped"))
    bring_to_result(whole)
    update = ProgressFile.update

    def update_and_signal(self: ProgressFile, step: int) -> None:
        update(self, step)
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ProgressFile, "update", update_and_signal)
    with pytest.raises(Stopped, match="143"):
        bring_to_result(stopped)
    monkeypatch.undo()
    assert stopped.status["status"] == "preempted"
    assert not (stopped.path / "progress.json").exists()
    assert bring_to_result(RunDirectory(stopped.path)).resumed_at == 7
    assert_same(stopped, whole)
    ours, theirs = arrays(stopped), arrays(whole)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("first", "said"), [(True, "resumed at step 3 of 9\n"), (False, "")])
def test_the_first_process_alone_says_where_it_resumes(
    planned: Callable[..., RunDirectory],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    first: bool,
    said: str,
) -> None:
    monkeypatch.setattr(module, "give_weights", lambda *_: None)
    trainer, parts = SimpleNamespace(is_global_zero=first), SimpleNamespace(total_steps=9)
    resumed: dict[str, Any] = {"global_step": 3, "epoch": 0, "should_stop": True, "state_dict": {}}
    stand_ins: tuple[Any, Any, Any] = (trainer, None, parts)
    run = planned("data=toy")
    capsys.readouterr()
    assert module.fit(*stand_ins, run, resumed) == (3, 1)
    assert capsys.readouterr().out == said
