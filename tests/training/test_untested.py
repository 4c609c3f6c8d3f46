"""A trial is never tested: nothing that it leaves depends on the test examples, and there is no way to ask for them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import plan_run
from run_files import arrays, result_of, rows, steady

from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.trained.loaded import load
from lossbench.training.assemble import assemble
from lossbench.vectorized.launch.stacks import run_stacked
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

OWN = """
from dataclasses import dataclass
import numpy as np
from lossbench.data.source import Source, Split

@dataclass(frozen=True)
class Points(Source):
    '''Three classes with a test part of its own, which may be spoilt: huge inputs with the targets of others.'''
    spoilt: bool = False
    class_names = ("a", "b", "c")
    input_shape = (5,)

    def load(self):
        rng = np.random.default_rng(0)
        sizes, found = {"train": 90, "val": 30, "test": 41}, {}
        for name, n in sizes.items():
            targets = np.arange(n) % 3
            inputs = (rng.standard_normal((n, 5)) + targets[:, None]).astype(np.float32)
            found[name] = Split(inputs, targets, np.array([f"{name}-{k}" for k in range(n)]))
        if self.spoilt:
            test = found["test"]
            found["test"] = Split(test.inputs * np.float32(-1e9), test.targets[::-1].copy(), test.ids)
        return found
"""
POINTS = ("data=custom", "data.target=points.Points", "model=linear", "trainer=cpu", "trainer.max_epochs=3")
WORDS = (*POINTS, "data.batch_size=16", "figures=false", "log_every_n_steps=4", "replicate=2")
LIGHT = ("keep_checkpoints=none", "save_predictions=false", "figures=false", "logger=none")


def alone(run: RunDirectory) -> None:
    start(run)


def stacked(run: RunDirectory) -> None:
    progress = SweepProgress({run: "one"}, [run], "test/accuracy")
    run_stacked([run], progress)
    assert not progress.failed
    assert result_of(run).engine == "vectorized"


@pytest.fixture(autouse=True)
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("points.py").write_text(OWN)


@pytest.mark.parametrize("weights", ["last", "best"])
@pytest.mark.parametrize("bring_to_result", [alone, stacked])
def test_nothing_of_a_trial_depends_on_the_test_examples(
    tmp_path: Path, bring_to_result: Callable[[RunDirectory], None], weights: str
) -> None:
    def run(trial: bool, spoilt: bool) -> RunDirectory:
        words = (f"trial={str(trial).lower()}", f"+data.spoilt={str(spoilt).lower()}", f"evaluate={weights}")
        planned = plan_run(tmp_path / "runs", *WORDS, *words)
        bring_to_result(planned)
        return planned

    clean, spoilt = run(True, False), run(True, True)
    ours, theirs = result_of(clean), result_of(spoilt)
    assert (ours.n, ours.trial, ours.metrics) == ({"val": 30}, True, theirs.metrics)
    assert ours.scale == theirs.scale
    assert {name.split("/")[0] for name in (*ours.metrics, *ours.half_width_95)} == {"val"}
    assert steady(clean) == steady(spoilt)
    assert not any("test/" in line for line in steady(clean))
    for name, values in arrays(clean).items():
        assert name.startswith("val_")
        np.testing.assert_array_equal(values, arrays(spoilt)[name])
    tested, disturbed = result_of(run(False, False)), result_of(run(False, True))  # of other runs it does depend
    assert tested.metrics["test/accuracy"] != disturbed.metrics["test/accuracy"]


def test_asking_for_the_test_split_of_a_trial_is_refused(tmp_path: Path) -> None:
    run = plan_run(tmp_path / "runs", *WORDS, "trial=true")
    parts = assemble(run.config)
    with pytest.raises(UserError, match=r"^a trial is never tested and has no test split"):
        parts.data.split("test")
    with pytest.raises(UserError, match=r"^a trial is never tested"):
        parts.data.test_dataloader()
    stack = StackedRuns([run.config], Shared(parts), torch.device("cpu"))
    with pytest.raises(KeyError):
        stack.evaluations("test")
    start(run)
    loaded = load(run.path)
    assert loaded.evaluate("val")["accuracy"].value == result_of(run).metrics["val/accuracy"]
    assert {name.split("_")[0] for name in loaded.predictions} == {"val"}
    other = assemble(plan_run(tmp_path / "runs", *WORDS[:-1], "replicate=3").config).data
    for data in (None, other):
        with pytest.raises(UserError, match=r"replicate2: a trial is never tested and has no test split; .* val$"):
            loaded.evaluate("test", data)
    with pytest.raises(UserError, match=r"replicate2 is a trial: it is measured on its own train and val splits alone"):
        loaded.evaluate("val", other)


def test_the_chosen_setting_starts_afresh_on_the_same_split(tmp_path: Path) -> None:
    trials = [plan_run(tmp_path / "runs", *WORDS, "trial=true", f"loss={loss}") for loss in ("power", "cross_entropy")]
    refit = plan_run(tmp_path / "runs", *WORDS, "loss=power")
    assert len({run.config.seed for run in trials}) == 1
    assert trials[0].config.seed != refit.config.seed == refit.config.replicate
    assert trials[0].path.parent != refit.path.parent  # their numbers are never taken for each other's
    for run in (*trials, refit):
        start(run)
    for run in trials:
        np.testing.assert_array_equal(arrays(run)["val_ids"], arrays(refit)["val_ids"])
    assert not np.array_equal(arrays(trials[0])["val_outputs"], arrays(refit)["val_outputs"])


@pytest.mark.parametrize("bring_to_result", [alone, stacked])
def test_a_light_trial_leaves_five_small_files(tmp_path: Path, bring_to_result: Callable[[RunDirectory], None]) -> None:
    run = plan_run(tmp_path / "runs", *WORDS, *LIGHT, "trial=true")
    bring_to_result(run)
    files = {path.name for path in run.path.rglob("*") if path.is_file()}
    assert files == {"config.yaml", "status.json", "result.json", "metrics.csv", "train.log"}
    with pytest.raises(UserError, match=r"replicate2 is a trial, and trials keep no checkpoint .* ends in \.tuned"):
        load(run.path)


@pytest.mark.parametrize(("words", "validated"), [((), 1), (("evaluate=best",), 3), (("keep_checkpoints=all",), 3)])
def test_a_stacked_trial_is_validated_at_its_end_unless_its_best_weights_are_wanted(
    tmp_path: Path, words: tuple[str, ...], validated: int
) -> None:
    run, whole = (plan_run(tmp_path / name, *WORDS, *LIGHT, "trial=true", *words) for name in ("stacked", "alone"))
    stacked(run)
    start(whole)
    found = rows(run, "val/accuracy")
    steps = [step for step, _ in rows(whole, "val/accuracy")]
    assert [step for step, _ in found] == steps[-validated:]
    if "evaluate=best" not in words:
        assert result_of(run).metrics["val/accuracy"] == found[-1][1]
