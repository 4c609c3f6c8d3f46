"""Losses for rare classes, confidence and margins train digits to a stated level, as stacks."""

from collections.abc import Callable

import pytest
from run_files import result_of

from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.launch import run_stacked

LEVEL = 0.93
"""Of test accuracy; cross-entropy has 0.97."""
NAMES = {
    "class_balanced": (),
    "ldam": (),
    "seesaw": (),
    "balanced_softmax": (),
    "focal": ("loss.gamma=5", "loss.gamma_end=0", "loss.weight=auto"),
    "confidence_penalty": (),
    "logit_penalty": (),
    "logit_norm": (),
    "square_loss": (),
    "adacos": (),
    "subcenter_arcface": (),
    "bce": ("loss.smoothing=0.1", "loss.target_threshold=0.2"),
}


@pytest.mark.slow
def test_all_train_digits(planned: Callable[..., RunDirectory]) -> None:
    words = ("data=digits", "model=mlp", "optimizer=adam", "optimizer.lr=0.01", "trainer.max_epochs=30", "trainer=cpu")
    runs = {name: planned(*words, f"loss={name}", *more) for name, more in NAMES.items()}
    progress = SweepProgress({run: name for name, run in runs.items()}, list(runs.values()), "test/accuracy")
    run_stacked(list(runs.values()), progress)
    assert not progress.failed
    accuracies = {name: result_of(run).metrics["test/accuracy"] for name, run in runs.items()}
    assert {name: value for name, value in accuracies.items() if value < LEVEL} == {}
