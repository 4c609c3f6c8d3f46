"""hydra/launcher=vectorized as a user types it: what can be stacked, and what runs one by one."""

from pathlib import Path

import pytest
from run_files import result_of
from sweeping import VECTORIZED, directories, sweep
from typed import assert_one_line

MODULES = """
import torch
from torch import nn
from lossbench.losses import CrossEntropy

class Exploding(CrossEntropy):
    def __init__(self, factor=1.0, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "factor", factor)
    def per_example(self, logits, target):
        return super().per_example(logits, target) * self.factor

class ConvNet(nn.Sequential):
    def __init__(self, num_classes=10, weight=None):
        convolution, norm = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        super().__init__(convolution, norm, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))

class Counting(nn.Sequential):
    def __init__(self, num_classes=10, weight=None):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
    def forward(self, inputs):
        return super().forward(inputs) if inputs.sum().item() > -1 else inputs
"""


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """A user's own modules."""
    (tmp_path / "own_modules.py").write_text(MODULES)
    return {"PYTHONPATH": str(tmp_path), "LOSSBENCH_ALLOW": "own_modules"}


@pytest.mark.slow
def test_a_run_that_explodes_fails_and_the_others_go_on(tmp_path: Path) -> None:
    words = (
        "data=digits",
        "trainer.max_epochs=2",
        "optimizer=sgd",
        "optimizer.lr=0.1,1e30",
        "loss=cross_entropy,power",
        VECTORIZED,
    )
    done = sweep(*words, runs=tmp_path)
    assert_one_line(done.returncode, done.stderr, "2 of 4 runs failed")
    found = directories(tmp_path)
    states = {run.config.optimizer.lr: run.status for run in found.values()}
    assert states[0.1]["status"] == "done"
    assert "became nan or infinite" in states[1e30]["reason"]
    assert states[1e30]["cause"] == "diverged"
    assert "lower learning rate" in states[1e30]["reason"]
    alone = sweep(
        "data=digits",
        "trainer.max_epochs=2",
        "optimizer=sgd",
        "optimizer.lr=0.1",
        "loss=cross_entropy,power",
        runs=tmp_path / "alone",
    )
    assert alone.returncode == 0
    for name, run in directories(tmp_path / "alone").items():
        assert result_of(run).metrics == pytest.approx(result_of(found[name]).metrics, abs=1e-4)


@pytest.mark.slow
def test_what_cannot_be_stacked_is_said_and_runs_one_by_one(tmp_path: Path, own: dict[str, str]) -> None:
    words = ("data=digits", "trainer.max_epochs=1", "seed=0,1", VECTORIZED)
    parted = sweep(*words, "trainer.accumulate_grad_batches=2,1", runs=tmp_path / "a")
    assert parted.returncode == 0, parted.stderr
    assert "stack: 2 runs of mlp on digits" in parted.stdout
    assert "one by one, 2 runs: trainer.accumulate_grad_batches=2: a stack computes each batch as" in parted.stdout
    dropped = sweep(*words, "model=mlp", "model.dropout=0.5", runs=tmp_path / "b")
    assert dropped.returncode == 0, dropped.stderr
    assert "stack: 2 runs of mlp on digits" in dropped.stdout
    counting = sweep(
        *words, "model=linear", "model._target_=own_modules.Counting", "~model.bias", runs=tmp_path / "c", env=own
    )
    assert counting.returncode == 0, counting.stderr
    assert "one by one, 2 runs: model=linear cannot be mapped over runs" in counting.stdout
    for name in "abc":
        assert {run.status["status"] for run in directories(tmp_path / name).values()} == {"done"}


@pytest.mark.slow
def test_a_conv_net_with_batch_norm_goes_through_both_launchers(tmp_path: Path, own: dict[str, str]) -> None:
    words = (
        "data=digits",
        "trainer.max_epochs=1",
        "seed=0,1",
        "model=linear",
        "model._target_=own_modules.ConvNet",
        "~model.bias",
    )
    for name, more in (("ours", (VECTORIZED,)), ("theirs", ())):
        done = sweep(*words, "loss=cross_entropy,cosine_prob", *more, runs=tmp_path / name, env=own)
        assert done.returncode == 0, done.stderr
    ours, theirs = directories(tmp_path / "ours"), directories(tmp_path / "theirs")
    assert result_of(next(iter(ours.values()))).engine == "vectorized"
    for name, run in ours.items():
        assert result_of(run).metrics == pytest.approx(result_of(theirs[name]).metrics, abs=2e-3)
