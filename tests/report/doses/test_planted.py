"""Truths planted in made data are found by a sweep over its doses; where there is none, nothing is claimed."""

from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from typed import command

import lossbench
from lossbench.report.doses.report import DoseComparison

pytestmark = pytest.mark.slow
FEATURES, CLASSES = 16, 4


def blobs(path: Path, n: int, distance: float, *, known: bool = True) -> str:
    """Write Gaussian classes so far apart; unknown ones have labels that say nothing of the features."""
    stream = np.random.default_rng(0)
    y = np.arange(n) % CLASSES
    centres = distance * stream.standard_normal((CLASSES, FEATURES)) / np.sqrt(FEATURES)
    x = centres[y] + stream.standard_normal((n, FEATURES))
    np.savez(path, X=x.astype(np.float32), y=y if known else stream.permutation(y))
    return f"data.path={path}"


def swept(runs: Path, *words: str, **compared: str) -> DoseComparison:
    """Run a sweep as one stack for each dose, and compare its losses."""
    fixed = ("data=arrays", "hydra/launcher=vectorized", "trainer=cpu", "logger=none", "replicate=range(10)")
    done = command(str(ROOT / "train.py"), "-m", *fixed, *words, "hydra.sweeper.report=false", runs=runs)
    assert done.returncode == 0, done.stderr
    found = lossbench.compare(runs / "default", **compared)
    assert isinstance(found, DoseComparison)
    return found


def test_a_loss_that_gives_wrong_labels_up_wins_as_they_become_more(tmp_path: Path) -> None:
    """A network wide enough to learn wrong labels by heart: cross-entropy does, 1 - p does not."""
    data = blobs(tmp_path / "a.npz", 1000, 6.0)
    noise = ("data.label_noise=0,0.2,0.4", "model.hidden=[256]", "trainer.max_epochs=60")
    found = swept(tmp_path / "runs", data, *noise, "loss=cross_entropy,mae_prob")
    pairs = found.response.pairs("mae_prob")
    assert pairs[0.4].verdict == "better"
    assert pairs[0.0].verdict != "better"
    assert found.trends == {"mae_prob": "better"}
    assert "at label_noise=0.4 train with mae_prob" in found.headline or "0.2,0.4 train with mae_prob" in found.headline


def test_class_weights_matter_where_classes_are_rare_and_overlap(tmp_path: Path) -> None:
    data = blobs(tmp_path / "a.npz", 2000, 2.5)
    words = ("data.imbalance=1,30", "model=linear", "loss=cross_entropy", "loss.weight=null,auto")
    found = swept(tmp_path / "runs", data, *words, baseline="cross_entropy weight=null")
    pairs = found.response.pairs("cross_entropy weight=auto")
    assert found.response.first.metric == "test/balanced_accuracy"
    assert pairs[30.0].verdict == "better"
    assert pairs[1.0].verdict == "equivalent"
    assert found.trends == {"cross_entropy weight=auto": "better"}


def test_nothing_is_claimed_of_losses_on_labels_that_mean_nothing(tmp_path: Path) -> None:
    data = blobs(tmp_path / "a.npz", 1000, 3.0, known=False)
    words = ("data.images_per_class=10,40,all", "loss=cross_entropy,mae_prob,power,label_smoothing")
    found = swept(tmp_path / "runs", data, *words)
    pairs = {(label, dose): pair for label in found.trends for dose, pair in found.response.pairs(label).items()}
    assert len(pairs) == 9
    assert not {pair.verdict for pair in pairs.values()} & {"better", "worse"}
    assert not {*found.trends.values()} & {"better", "worse"}
