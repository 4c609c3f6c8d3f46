"""A replicate is the same draw whatever the loss and the launcher; a typed seed takes its place."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from typed import command

from lossbench.launch.expand import with_params

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
    launchers = {name: [f"hydra/launcher={name}"] for name in ("basic", "process", "vectorized")}
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


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ([], ["loss=a,b", "replicate=range(10)"]),
        (["seed=0,1"], ["loss=a,b", "seed=0,1"]),
        (["replicate=range(3)"], ["loss=a,b", "replicate=range(10)", "replicate=range(3)"]),
        (["replicate=3", "seed=1"], ["loss=a,b", "replicate=3", "seed=1"]),
    ],
)
def test_a_typed_seed_takes_the_place_of_an_experiments_replicates(typed: list[str], given: list[str]) -> None:
    assert with_params({"loss": "a,b", "replicate": "range(10)"}, typed) == given
