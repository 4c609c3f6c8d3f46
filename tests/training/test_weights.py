"""Weights of examples count in the training loss of both engines, and nowhere else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import plan_run
from run_files import result_of, rows

from lossbench.data.split import Split, joined
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.launch.stacks import run_stacked

Run = Callable[..., RunDirectory]
OWN = """
from dataclasses import dataclass, replace

import numpy as np
from lossbench.data.source import Source, Split
from lossbench.losses import Loss, cross_entropy


@dataclass(frozen=True)
class Weighted(Source):
    '''Weights 1, 2 and 3; or each training example so many times; or 0.5 for all, none, or a wrong one.'''

    how: str = "weights"
    class_names = ("a", "b", "c")
    input_shape = (4,)

    def load(self):
        rng, found = np.random.default_rng(0), {}
        for name, n in {"train": 60, "val": 24, "test": 24}.items():
            targets = np.arange(n) % 3
            inputs = (rng.standard_normal((n, 4)) + 0.7 * targets[:, None]).astype(np.float32)
            split = Split(inputs, targets, np.array([f"{name}-{k}" for k in range(n)]))
            found[name] = self.counted(split, rng.integers(1, 4, n))
        return found

    def counted(self, split, counts):
        if self.how == "repeated" and split.ids[0].startswith("train"):
            return split.take(np.repeat(np.arange(len(split)), counts))
        weights = {"weights": counts, "equal": 0.5 * np.ones(len(split)), "zero": counts - 1}.get(self.how)
        return split if weights is None else replace(split, weights=weights.astype(np.float32))


class Hardest(Loss):
    def per_example(self, output, target):
        return cross_entropy(output, target)

    def reduce(self, values, target):
        return values.topk(2).values.mean()
"""
WORDS = ("data=custom", "data.target=own_weights.Weighted", "model=linear", "trainer=cpu", "log_every_n_steps=1")
LINEAR = (*WORDS, "data.batch_size=1024", "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_epochs=8")
LOSSES = {
    "plain": ("loss=cross_entropy",),
    "classes": ("loss=cross_entropy", "loss.weight=[1,2,5]"),
    "terms": ("loss=cosine_xent",),
    "sum": ("loss=focal", "+loss.reduction=sum", "optimizer.lr=0.001"),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Plan a run on weighted data, and do it alone or in a stack."""
    (tmp_path / "own_weights.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)

    def done(*words: str, stacked: bool = False) -> RunDirectory:
        planned = plan_run(tmp_path / ("stacked" if stacked else "runs"), *words)
        if stacked:
            run_stacked([planned], SweepProgress({planned: "run"}, [planned], "test/accuracy"))
        else:
            start(planned)
        return planned

    return done


def assert_alike(ours: RunDirectory, theirs: RunDirectory) -> None:
    """Both took the same way and are measured alike."""
    first, second = result_of(ours).metrics, result_of(theirs).metrics
    assert first == pytest.approx(second, rel=1e-4, abs=1e-4)
    for name in ("train/loss", "train/gradient_norm", "train/cosine", "train/xent"):
        assert dict(rows(ours, name)) == pytest.approx(dict(rows(theirs, name)), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
def test_a_weight_of_two_is_the_example_twice(run: Run, loss: tuple[str, ...]) -> None:
    weighted = run(*LINEAR, *loss)
    assert_alike(weighted, run(*LINEAR, *loss, "+data.how=repeated"))
    assert_alike(run(*LINEAR, *loss, stacked=True), weighted)
    assert_alike(run(*LINEAR, *loss, "trainer.accumulate_grad_batches=4"), weighted)
    plain = result_of(run(*LINEAR, *loss, "+data.how=plain")).metrics
    assert result_of(weighted).metrics["val/nll"] != pytest.approx(plain["val/nll"], abs=1e-3)


def test_equal_weights_are_no_weights(run: Run) -> None:
    words = (*WORDS, "loss=cross_entropy", "data.batch_size=16", "trainer.max_epochs=2")
    for stacked in (False, True):
        equal, none = (run(*words, f"+data.how={how}", stacked=stacked) for how in ("equal", "plain"))
        assert_alike(equal, none)
        assert result_of(equal).facts["train_weights"] == {"smallest": 0.5, "largest": 0.5}
        assert "train_weights" not in result_of(none).facts
        assert equal.config.fingerprint != none.config.fingerprint


def test_replicates_in_a_stack_take_their_weights_along(run: Run, tmp_path: Path) -> None:
    words = (*WORDS, "loss=cross_entropy", "data.batch_size=16", "trainer.max_epochs=2")
    planned = [plan_run(tmp_path / "stacked", *words, f"replicate={r}") for r in (0, 1)]
    run_stacked(planned, SweepProgress({each: each.path.name for each in planned}, planned, "test/accuracy"))
    for replicate, together in enumerate(planned):
        assert_alike(together, run(*words, f"replicate={replicate}"))


def test_mixed_examples_have_mixed_weights(run: Run) -> None:
    words = (*WORDS, "loss=cross_entropy", "augment=mixing", "augment.cutmix=0", "trainer.max_epochs=2")
    equal, none = (run(*words, f"+data.how={how}") for how in ("equal", "plain"))
    assert_alike(equal, none)


def test_what_cannot_be_weighted_is_refused(run: Run) -> None:
    with pytest.raises(UserError, match=r"^loss=own_weights\.Hardest reduces a batch its own way"):
        run(*WORDS, "loss=custom", "loss.target=own_weights.Hardest")
    with pytest.raises(UserError, match=r"train weights must be finite and > 0; leave out"):
        run(*WORDS, "loss=cross_entropy", "+data.how=zero")


def test_weights_are_joined_and_taken() -> None:
    def split(first: int, weights: np.ndarray | None) -> Split:
        index = np.arange(first, first + 3)
        return Split(index[:, None].astype(np.float32), index, index.astype(str), weights)

    both = joined([split(0, None), split(3, np.array([2, 3, 4], np.float32))])
    assert both.weights is not None
    assert both.weights.tolist() == [1, 1, 1, 2, 3, 4]
    taken = both.take(np.array([4, 0])).weights
    assert taken is not None
    assert taken.tolist() == [3, 1]
    assert joined([split(0, None), split(3, None)]).weights is None
