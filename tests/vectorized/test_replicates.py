"""Runs of different replicates in one stack: each is the run alone, on its own examples."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars
import pytest
import torch
from conftest import plan_run
from run_files import arrays, assert_same, result_of, steady, weights
from tables import a_table, written

from lossbench.config.facts import build_source
from lossbench.errors import Stopped
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.report.examples import RunOutputs, read_parts
from lossbench.report.records import read_record
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.training.assemble import assemble
from lossbench.vectorized.checkpoint import save_stack
from lossbench.vectorized.engine import outputs
from lossbench.vectorized.launch.stacks import run_stacked
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

LOSSES = ("cross_entropy", "logit_adjusted")  # the second one takes the counts of the classes from the training part
DIGITS = ("data=digits", "model=linear", "trainer=cpu", "trainer.max_steps=12", "figures=false", "log_every_n_steps=4")
OWN = """
import numpy as np
from lossbench.data.source import Source, Split

class Uneven(Source):
    '''Three classes of which the last is rare, with a test part of its own.'''
    class_names = ("a", "b", "c")
    input_shape = (5,)

    def load(self):
        rng = np.random.default_rng(0)
        sizes, found = {"train": 90, "val": 30, "test": 41}, {}
        for name, n in sizes.items():
            targets = np.where(np.arange(n) % 30 == 0, 2, np.arange(n) % 2)
            inputs = (rng.standard_normal((n, 5)) + targets[:, None]).astype(np.float32)
            found[name] = Split(inputs, targets, np.array([f"{name}-{k}" for k in range(n)]))
        return found
"""


def stacked(root: Path, units: Sequence[str], *words: str) -> list[RunDirectory]:
    """Plan the runs of both losses and bring them to their results in stacks."""
    runs = [plan_run(root, *words, f"loss={loss}", unit) for loss in LOSSES for unit in units]
    progress = SweepProgress({run: run.path.name for run in runs}, runs, "test/accuracy")
    run_stacked(runs, progress)
    assert not progress.failed
    return runs


def assert_alone(root: Path, runs: Sequence[RunDirectory], *words: str) -> None:
    """The same runs one by one have the same examples, and the same numbers but for rounding."""
    for run in runs:
        alone = plan_run(root, *words, f"loss={run.config.loss.name}", f"replicate={run.config.replicate}")
        start(alone)
        ours, theirs = result_of(run), result_of(alone)
        assert ours.engine == "vectorized"
        assert (ours.n, ours.steps, ours.data) == (theirs.n, theirs.steps, theirs.data)
        assert ours.metrics == pytest.approx(theirs.metrics, abs=2e-4)
        for block in ("last_and_best", "memorisation"):
            assert flatten(ours.facts.get(block, {})) == pytest.approx(flatten(theirs.facts.get(block, {})), abs=2e-4)
        mine, its = arrays(run), arrays(alone)
        for split in ("val", "test"):
            for name in ("ids", "targets"):
                assert np.array_equal(mine[f"{split}_{name}"], its[f"{split}_{name}"]), (split, name)
            np.testing.assert_allclose(mine[f"{split}_outputs"], its[f"{split}_outputs"], atol=1e-3)
        assert [line.split(",")[:3] for line in steady(run)] == [line.split(",")[:3] for line in steady(alone)]
        left_out = build_source(alone.config.data.source).left_out_line()
        assert left_out in run.log_path.read_text()
        assert left_out in alone.log_path.read_text()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("data.images_per_class=20", "evaluate=best", "trainer.max_steps=8"),
        ("data.batch_size=2000",),
        ("data.overfit_batches=2", "data.limit_eval_batches=1", "data.steps_per_epoch=5"),
        ("data.label_noise=0.4", "evaluate=best"),
        ("data.label_noise=0.4", "data.noise_validation=false", "data.batch_size=2000"),
        ("data.imbalance=30", "data.imbalance_max=100", "data.label_noise=0.1", "evaluate=best"),
        ("data.imbalance=20", "data.imbalance_max=100", "data.sampler=balanced"),
    ],
    ids=[
        "whole",
        "few images",
        "full batches",
        "some batches",
        "noise",
        "noise, full batches",
        "imbalance",
        "balanced",
    ],
)
def test_every_replicate_of_a_stack_is_the_run_alone(tmp_path: Path, words: tuple[str, ...]) -> None:
    words = (*DIGITS, *words)
    runs = stacked(tmp_path / "stack", ["replicate=0", "replicate=4", "replicate=7"], *words)
    assert {result_of(run).stacked_runs for run in runs} == {6}
    if not any("limit" in word for word in words):
        assert {result_of(run).n["test"] for run in runs} == {359, 360}
    assert_alone(tmp_path / "alone", runs[1:5:2], *words)


def test_a_published_test_part_is_kept_and_a_rare_class_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("uneven.py").write_text(OWN)
    words = ("data=custom", "data.target=uneven.Uneven", "model=linear", "trainer=cpu", "trainer.max_epochs=3")
    words = (*words, "data.batch_size=16", "figures=false")
    runs = stacked(tmp_path / "stack", ["replicate=0", "replicate=1"], *words)
    assert_alone(tmp_path / "alone", runs, *words)
    tested = [arrays(run)["test_ids"] for run in runs]
    assert all(np.array_equal(ids, tested[0]) for ids in tested)
    assert not np.array_equal(arrays(runs[0])["val_ids"], arrays(runs[1])["val_ids"])
    for run in runs:  # the accuracy of the rare class is that of the last third, with parts by example for verdicts
        result, found = result_of(run), arrays(run)
        assert result.facts["class_counts"][2] == result.facts["train_counts"]["smallest_class"]
        rare = found["test_targets"] == 2
        recall = (found["test_outputs"].argmax(1) == 2)[rare].mean()
        assert result.metrics["test/tail_accuracy"] == pytest.approx(recall)
    assert not isinstance(parts := read_parts(RunOutputs(read_record(runs[0].path)), "test/tail_accuracy"), str)
    assert parts.values.mean() == pytest.approx(result_of(runs[0]).metrics["test/tail_accuracy"])


def test_replicates_that_share_a_forward_pass_give_the_same_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*DIGITS, "trainer.max_steps=3")
    units = ["replicate=3", "replicate=0", "replicate=11"]
    gathered = stacked(tmp_path / "gathered", units, *words)
    monkeypatch.setattr(outputs, "FEW", 0)
    for ours, theirs in zip(stacked(tmp_path / "shared", units, *words), gathered, strict=True):
        np.testing.assert_allclose(arrays(ours)["test_outputs"], arrays(theirs)["test_outputs"], atol=1e-5)
        assert result_of(ours).metrics == pytest.approx(result_of(theirs).metrics, abs=1e-5)


def test_the_examples_of_a_split_are_moved_to_the_device_once_for_all_stacks(tmp_path: Path) -> None:
    config = plan_run(tmp_path, *DIGITS, "loss=cross_entropy", "seed=1").config
    shared = Shared(assemble(config))
    one, other = (shared.examples("train", [config] * k, torch.device("cpu"), torch.float64) for k in (1, 2))
    assert one.inputs is other.inputs


def test_replicates_of_features_are_one_stack(tmp_path: Path) -> None:
    words = ("data=fake_images", "data.classes=3", "data.n_train=37", "data.n_val=12", "data.n_test=12")
    words = (*words, "data.image_size=32", "data.batch_size=10", f"data.cache_dir={tmp_path / 'cache'}")
    words = (*words, "model=linear_probe", "model.backbone.pretrained=false", "trainer=cpu", "trainer.max_epochs=2")
    runs = stacked(tmp_path / "stack", ["replicate=0", "replicate=3"], *words, "figures=false")
    assert {result_of(run).stacked_runs for run in runs} == {4}
    assert_alone(tmp_path / "alone", runs[1:3], *words, "figures=false")


def interrupted(runs: Sequence[RunDirectory], step: int) -> None:
    """Train a stack up to a step and save it."""
    stack = StackedRuns([run.config for run in runs], Shared(assemble(runs[0].config)), torch.device("cpu"))

    def stop() -> None:
        if stack.stack.step == step:
            save_stack(runs, stack)
            raise Stopped("SIGTERM")

    with pytest.raises(Stopped):
        stack.train(stop, lambda: None, lambda steps: None)


@pytest.mark.parametrize("trial", ["false", "true"])
def test_an_interrupted_stack_of_replicates_ends_bit_for_bit_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trial: str
) -> None:
    words = (*DIGITS, "trainer.max_steps=40", "evaluate=best", f"trial={trial}")
    units = ["replicate=2", "replicate=0", "replicate=6"]
    whole = stacked(tmp_path / "whole", units, *words)
    begun = [plan_run(tmp_path / "again", *words, f"loss={loss}", unit) for loss in LOSSES for unit in units]
    interrupted(begun, 23)
    again = stacked(tmp_path / "again", units, *words)
    assert "resumed at step 23 of 40" in capsys.readouterr().out
    for ours, theirs in zip(again, whole, strict=True):
        assert_same(ours, theirs)
        assert all(np.array_equal(array, arrays(theirs)[name]) for name, array in arrays(ours).items())


def test_seeds_and_replicates_are_stacks_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = stacked(tmp_path, ["replicate=0", "seed=0", "replicate=1"], *DIGITS)
    assert sorted(result_of(run).stacked_runs or 0 for run in runs) == [2, 2, 4, 4, 4, 4]


MORE = """
class Growing(Uneven):
    '''Replicates of an even number train on ten examples more.'''
    def draw(self, replicate):
        drawn = dict(super().draw(replicate))
        if replicate % 2 == 0:
            drawn["train"], drawn["val"] = np.sort(np.append(drawn["train"], drawn["val"][:10])), drawn["val"][10:]
        return drawn

class Lacking(Uneven):
    '''No example of the last class is trained on in replicate 1.'''
    def draw(self, replicate):
        drawn = dict(super().draw(replicate))
        if replicate == 1:
            drawn["train"] = drawn["train"][self.pool().targets[drawn["train"]] < 2]
        return drawn
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[str, ...]]:
    """A user's own data sets, by their classes."""
    monkeypatch.chdir(tmp_path)
    Path("uneven_more.py").write_text(OWN + MORE)
    words = ("model=linear", "trainer=cpu", "trainer.max_epochs=2", "data.batch_size=16", "figures=false")
    return lambda name: ("data=custom", f"data.target=uneven_more.{name}", *words)


def test_replicates_of_other_sizes_are_stacks_of_their_own(
    tmp_path: Path, own: Callable[[str], tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = stacked(tmp_path / "stack", [f"replicate={r}" for r in range(3)], *own("Growing"))
    assert "2 runs make stacks of their own: replicates with other numbers of training" in capsys.readouterr().out
    assert [(result_of(run).stacked_runs, result_of(run).n["val"]) for run in runs] == [(4, 20), (2, 30), (4, 20)] * 2
    assert_alone(tmp_path / "alone", runs[:2], *own("Growing"))


def test_a_replicate_that_lacks_a_class_fails_where_the_loss_counts_it(
    tmp_path: Path, own: Callable[[str], tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [plan_run(tmp_path, *own("Lacking"), f"loss={loss}", f"replicate={r}") for loss in LOSSES for r in range(3)]
    progress = SweepProgress({run: run.path.name for run in runs}, runs, "test/accuracy")
    run_stacked(runs, progress)
    assert list(progress.failed) == [runs[4]]
    assert "class_counts=null counts the training split, which has no c" in progress.failed[runs[4]]
    assert "the train split has no example of c (replicates 1)" in capsys.readouterr().out


TABLE = ("data=table", "data.target=risk", "data.group=patient", "data.id=row_id", "model=mlp", "model.hidden=[8]")
TABLE = (*TABLE, "trainer=cpu", "trainer.max_steps=20", "data.batch_size=32", "figures=false")


def test_replicates_of_a_table_are_encoded_by_their_own_training_rows(tmp_path: Path) -> None:
    frame = a_table().with_columns(visits=polars.Series([1, 2, 5] * 100))
    words = (*TABLE, f"data.path={written(frame, tmp_path / 'table.csv')}", "data.weight=visits")
    runs = stacked(tmp_path / "stack", [f"replicate={r}" for r in range(5)], *words)
    assert_alone(tmp_path / "alone", runs[:5], *words)
    results = [result_of(run) for run in runs]
    assert [each.facts["columns"] for each in results[:5]] == [each.facts["columns"] for each in results[5:]]
    assert len({str(each.facts["columns"]) for each in results}) == 5
    widths = [weights(run)["model.layers.0.weight"].shape[1] for run in runs]
    assert len({*widths}) > 1  # a city is rare in some training parts: those are stacks of their own
    assert [each.stacked_runs for each in results] == [widths.count(width) for width in widths]


def test_the_examples_of_a_stack_are_those_of_each_replicate(tmp_path: Path) -> None:
    words = (*TABLE, f"data.path={written(a_table().drop('city'), tmp_path / 'table.csv')}", "loss=cross_entropy")
    configs = [plan_run(tmp_path, *words, f"replicate={r}").config for r in (2, 0, 2, 1)]
    shared = Shared(assemble(configs[0]))
    for stage in ("train", "val", "test"):
        examples = shared.examples(stage, configs, torch.device("cpu"), torch.float32)
        assert examples.index is not None
        for config, which in zip(configs, examples.which.tolist(), strict=True):
            alone = build_source(config.data.source).splits[stage]
            rows = examples.index[which][: len(alone)]
            assert np.array_equal(examples.inputs[rows].numpy(), alone.inputs)
            assert np.array_equal(examples.by_replicate_target[which][: len(alone)].numpy(), alone.targets)


@pytest.mark.parametrize("engine", ["lightning", "vectorized"])
def test_no_validation_or_test_row_of_a_table_touches_the_weights(tmp_path: Path, engine: str) -> None:
    def trained(name: str, frame: polars.DataFrame) -> RunDirectory:
        words = (*TABLE, f"data.path={written(frame, tmp_path / name)}")
        if engine == "vectorized":
            return stacked(tmp_path, ["replicate=0", "replicate=3"], *words)[0]
        run = plan_run(tmp_path, *words, "loss=cross_entropy", "replicate=0")
        start(run)
        return run

    frame = a_table()
    first = trained("one.csv", frame)
    held_out = [*arrays(first)["val_ids"].tolist(), *arrays(first)["test_ids"].tolist()]
    chosen = polars.col("row_id").cast(polars.String).is_in(held_out)
    new = {"age": 999.0, "city": "Atlantis", "smoker": None}
    other = frame.with_columns(
        polars.when(chosen).then(polars.lit(value)).otherwise(name).alias(name) for name, value in new.items()
    )
    again = trained("two.csv", other)
    assert result_of(again).fingerprint != result_of(first).fingerprint
    assert result_of(again).facts["columns"] == result_of(first).facts["columns"]
    assert not np.array_equal(arrays(again)["test_outputs"], arrays(first)["test_outputs"])
    for name, tensor in weights(first).items():
        assert torch.equal(tensor, weights(again)[name]), name


@pytest.mark.slow
def test_on_a_long_tail_logit_adjusted_is_better_than_cross_entropy(tmp_path: Path) -> None:
    words = ("data=digits", "data.imbalance=100", "data.imbalance_max=100", "trainer=cpu", "figures=false")
    units = ["replicate=0", "replicate=1", "replicate=2"]
    runs = stacked(tmp_path, units, *words)
    balanced, tail = (
        {(run.config.loss.name, run.config.replicate): result_of(run).metrics[f"test/{name}"] for run in runs}
        for name in ("balanced_accuracy", "tail_accuracy")
    )
    for r in range(3):  # ten replicates gave 62.5 % and 80.5 %
        assert balanced["logit_adjusted", r] > balanced["cross_entropy", r] + 0.05
        assert tail["logit_adjusted", r] > tail["cross_entropy", r] + 0.1
