"""A replicate is the same draw whatever the loss and the launcher, and the examples of a sweep are planned once."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from typed import command

from lossbench.config.composition import composed, hydra_started, plain
from lossbench.config.resolve import accept
from lossbench.launch.expand import Job, Part
from lossbench.launch.plan import plan_jobs

DIGITS = ("data=digits", "loss=cross_entropy,power", "replicate=0,4", "trainer.max_epochs=1", "logger=none")
QUIET = "hydra.sweeper.report=false"


def drawn(runs: Path) -> dict[str, list[bytes]]:
    """Replicate -> validation and test examples of every run."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(runs.rglob("predictions.npz")):
        with np.load(path) as arrays:
            found.setdefault(path.parent.name, []).append(arrays["val_ids"].tobytes() + arrays["test_ids"].tobytes())
    return found


@pytest.mark.slow
def test_the_same_replicate_is_the_same_split_whatever_the_loss_and_the_launcher(tmp_path: Path) -> None:
    launchers = {"here": [], "process": ["hydra/launcher=process"], "vectorized": ["hydra/launcher=vectorized"]}
    all_drawn: dict[str, set[bytes]] = {}
    for name, words in launchers.items():
        done = command(str(ROOT / "train.py"), "-m", *DIGITS, *words, QUIET, runs=tmp_path / name)
        assert (done.returncode, done.stderr) == (0, "")
        for replicate, examples in drawn(tmp_path / name).items():
            assert len(examples) == 2
            all_drawn.setdefault(replicate, set()).update(examples)
    assert {replicate: len(examples) for replicate, examples in all_drawn.items()} == {"replicate0": 1, "replicate4": 1}
    assert all_drawn["replicate0"].isdisjoint(all_drawn["replicate4"])
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("replicate4/result.json")]
    assert {(found["replicate"], found["seed"], found["pool"], found["folds"]) for found in results} == {
        (4, 4, 1797, 5)
    }


def test_a_repeated_replicate_is_planned_once_and_is_no_repeat_of_a_seed(tmp_path: Path) -> None:
    sweep = ("replicate=1", "replicate=1", "seed=1", "replicate=0", "seed=0")
    jobs = [Job((Part(text, None, None, swept=True),)) for text in sweep]
    with hydra_started():
        planned = plan_jobs(
            jobs, lambda job: plain(composed(["data=digits", f"runs_dir={tmp_path}", *job.overrides])), ["test"], accept
        )
    assert [run.path.name for run in planned.labels] == ["replicate1", "seed1", "replicate0", "seed0"]
    assert planned.repeated == 1
    assert len({run.path.parent for run in planned.labels}) == 2
