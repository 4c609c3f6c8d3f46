"""Every task from the command line to its known optimum, and what is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, plan_run
from typed import assert_one_line, command, train

import lossbench
from lossbench.data.toys import GROUPS, ToyCounts, ToyDistribution, ToyLabels, ToyRanking, ToyRegression
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.training.callbacks.checkpoint import RunCheckpoint
from lossbench.vectorized.eligible.settings import why_not

Plan = Callable[..., RunDirectory]

TRAP = """
from dataclasses import dataclass

from torch.nn import functional as F

from lossbench.losses import Loss


@dataclass(eq=False)
class AbsoluteCosine(Loss):
    function = staticmethod(lambda output, target: 1 - F.cosine_similarity(output, target).abs())
    tasks = ("vectors",)
"""


def metrics_of(run: RunDirectory) -> dict[str, float]:
    result = run.result()
    assert result is not None
    return result.metrics


def outputs_of(run: RunDirectory) -> tuple[np.ndarray, np.ndarray]:
    """Outputs on the test split, and the group of each example."""
    with np.load(run.predictions_path) as arrays:
        return arrays["test_outputs"], np.arange(len(arrays["test_outputs"])) % GROUPS


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tasks") / "runs"


@pytest.fixture(scope="module")
def median(runs: Path) -> RunDirectory:
    return train("data=toy_regression", "loss=l1", runs=runs)


# -- the known optimum of each task


def test_l1_finds_the_conditional_median_and_mse_the_mean(median: RunDirectory, runs: Path) -> None:
    mean = train("data=toy_regression", "loss=mse", runs=runs)
    for run, above in ((median, np.log(2)), (mean, 1.0)):
        output, group = outputs_of(run)
        assert np.abs(output - ToyRegression().law()[group] - above).max() < 0.06
    assert metrics_of(median)["test/mae"] < metrics_of(mean)["test/mae"]
    assert metrics_of(median)["test/rmse"] > metrics_of(mean)["test/rmse"]


def test_cosine_distance_brings_the_angle_to_zero_and_the_trap_does_not(runs: Path, tmp_path: Path) -> None:
    assert metrics_of(train("data=toy_vectors", "loss=cosine_distance", runs=runs))["test/angle"] < 1
    (tmp_path / "trap.py").write_text(TRAP)
    env = {"LOSSBENCH_ALLOW": "trap", "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))}
    words = ("data=toy_vectors", "loss=cosine_distance", "loss._target_=trap.AbsoluteCosine", "loss.name=trap")
    trapped = metrics_of(train(*words, runs=runs, env=env))
    assert trapped["test/loss"] < 1e-3
    assert trapped["test/angle"] > 30


def test_poisson_nll_recovers_the_rates(runs: Path) -> None:
    run, source = train("data=toy_counts", "loss=poisson_nll", "loss.full=true", runs=runs), ToyCounts()
    output, group = outputs_of(run)
    split = source.splits["train"]
    likeliest = np.array([split.targets[split.inputs.argmax(1) == k].mean() for k in range(GROUPS)])
    np.testing.assert_allclose(np.exp(output[:, 0]), likeliest[group], rtol=0.03)
    np.testing.assert_allclose(likeliest, source.law()[:, 0], atol=4 * np.sqrt(source.law().max() / 64))
    assert metrics_of(run)["test/deviance"] == pytest.approx(1, abs=0.3)


def test_kl_div_recovers_the_distributions(runs: Path) -> None:
    run = train("data=toy_distribution", "loss=kl_div", runs=runs)
    output, group = outputs_of(run)
    np.testing.assert_allclose(torch.from_numpy(output).softmax(1), ToyDistribution().law()[group], atol=0.01)
    assert metrics_of(run)["test/kl"] < 1e-3


def test_bce_recovers_how_often_each_label_holds(runs: Path) -> None:
    run, train_split = train("data=toy_labels", "loss=bce", runs=runs), ToyLabels().splits["train"]
    output, group = outputs_of(run)
    shares = np.array([train_split.targets[train_split.inputs.argmax(1) == k].mean(0) for k in range(GROUPS)])
    np.testing.assert_allclose(torch.from_numpy(output).sigmoid(), shares[group], atol=0.02)
    result = run.result()
    assert result is not None
    assert (result.facts["task"], list(result.classes)) == ("multi_label", ["red", "round", "small", "sweet"])
    assert result.facts["train_counts"]["smallest_class"] == train_split.targets.sum(0).min()
    again = lossbench.load(run.path).evaluate("test")
    assert {f"test/{name}": metric.value for name, metric in again.items()} == pytest.approx(
        {name: value for name, value in result.metrics.items() if name.startswith("test/")}
    )


def test_margin_ranking_finds_the_direction(runs: Path) -> None:
    run = train("data=toy_ranking", "loss=margin_ranking", "loss.margin=1", runs=runs)
    assert metrics_of(run)["test/pair_accuracy"] > 0.99
    weight = lossbench.load(run.path).parts.body.linear.weight[0].detach().numpy()  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue, reportCallIssue]
    assert np.degrees(np.arccos(weight @ ToyRanking().law() / np.linalg.norm(weight))) < 3


def test_cosine_embedding_and_triplet_margin_tell_the_kinds_apart(runs: Path) -> None:
    similar = metrics_of(train("data=toy_similarity", "loss=cosine_embedding", runs=runs))
    assert similar["test/pair_accuracy"] == 1
    assert similar["test/angle_similar"] < 1
    assert similar["test/loss"] < 1e-3
    assert metrics_of(train("data=toy_triplets", "loss=triplet_margin", runs=runs))["test/pair_accuracy"] > 0.99


# -- a run of another task is a run like all others


def test_it_loads_and_is_evaluated_again(median: RunDirectory, tmp_path: Path) -> None:
    again = lossbench.load(median.path).evaluate("test")
    assert {f"test/{name}": metric.value for name, metric in again.items()} == pytest.approx(
        {name: value for name, value in metrics_of(median).items() if name.startswith("test/")}
    )
    script = str(ROOT / "scripts" / "evaluate.py")
    out = tmp_path / "other.json"
    done = command(
        script, str(median.path), "data=toy_regression", "data.draw_seed=1", "--json", str(out), runs=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())["mae"] > metrics_of(median)["test/mae"]
    other = command(script, str(median.path), "data=toy_vectors", runs=tmp_path)
    assert_one_line(other.returncode, other.stderr, "trained for regression", "these data are for vectors")


def test_its_history_has_its_metrics_and_no_accuracy(median: RunDirectory) -> None:
    names = {line.split(",")[2] for line in median.metrics_path.read_text().splitlines()[1:]}
    assert {"train/loss", "train/epoch_loss", "val/mae", "val/r2", "val/mse", "test/rmse"} <= names
    assert not any("accuracy" in name or "nll" in name for name in names)
    assert "val mae" in median.log_path.read_text()


def test_its_report_compares_what_is_monitored_with_mse(runs: Path) -> None:
    words = (
        "-m",
        "hydra/launcher=vectorized",
        "data=toy_regression",
        "loss=mse,l1",
        "seed=0",
        "study=report",
        "trainer.max_epochs=3",
    )
    done = command(str(ROOT / "train.py"), *words, runs=runs)
    assert done.returncode == 0, done.stderr
    assert "one by one, 2 runs: data=toy_regression: its task is regression; classification," in done.stdout
    assert "test/mae of every loss, and paired by seed against mse" in done.stdout
    (page,) = (runs / "report" / "reports").rglob("report.html")
    assert "ECE" not in page.read_text()


@pytest.mark.parametrize(
    ("monitor", "better"), [("mae", 0.1), ("angle", 0.1), ("cross_entropy", 0.1), ("r2", 0.9), ("pair_accuracy", 0.9)]
)
def test_the_best_checkpoint_is_the_one_with_the_better_value(planned: Plan, monitor: str, better: float) -> None:
    sign = RunCheckpoint(planned("data=toy_regression", "loss=l1"), None, f"val/{monitor}").sign
    assert max(0.1, 0.9, key=lambda value: sign * value) == better


# -- what does not fit


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["data=toy_regression", "loss=cosine_prob"],
            "loss=cosine_prob is for classification, but the task of data=toy_regression is regression; "
            "losses for it: l1, mse, huber, "
            "smooth_l1",
        ),
        (
            ["data=toy_counts", "loss=kl_div"],
            "loss=kl_div is for distribution, but the task of data=toy_counts is count; losses for it: poisson_nll",
        ),
        (
            ["data=toy_labels", "loss=bce", "yardsticks=[cross_entropy]"],
            "yardsticks.cross_entropy is for classification and distribution, but the task of data=toy_labels is "
            "multi_label; losses for it: bce, asymmetric, sigmoid_focal; type loss=bce yardsticks=[bce]",
        ),
        (
            ["data=toy_labels", "loss=bce", "loss.weight=[1,2]"],
            "loss.weight has 2 numbers, and data=toy_labels has 4 classes; give one number for each class",
        ),
        (
            ["loss=l1"],
            "loss=l1 is for regression and vectors, but the task of data=toy is classification; "
            "losses for it: cross_entropy, cosine_xent, "
            "bce and all that are for no other task",
        ),
        (
            ["data=toy_similarity", "loss=cosine_embedding", "yardsticks=[triplet_margin]"],
            "yardsticks.triplet_margin is for triplets, but the task of data=toy_similarity is similarity; "
            "losses for it: cosine_embedding",
        ),
        (
            [
                "data=toy_regression",
                "loss=l1",
                "+augment.label_smoothing=0.1",
                "+augment._target_=lossbench.data.augment.Augment",
            ],
            "augment.label_smoothing mixes classes, and the task of data=toy_regression is regression; "
            "use augment=none",
        ),
        (
            ["data=toy_regression", "loss=l1", "figures=true"],
            "figures=true draws pictures of classifiers, and the task of data=toy_regression is regression; "
            "use figures=auto",
        ),
        (
            ["yardsticks=[nll]"],
            "yardsticks.nll has the name of a metric that is measured anyway; "
            "use cross_entropy, which is the same loss",
        ),
        (["data=toy_regression", "loss=smooth_l1", "loss.beta=0"], "loss.beta must be > 0, got 0"),
        (["data=toy_counts", "loss=poisson_nll", "loss.full=1"], "loss.full must be true or false, got 1"),
        (
            ["data=toy_similarity", "loss=cosine_embedding", "loss.margin=2"],
            "loss.margin must be within -1 and 1, got 2",
        ),
        (["data=toy_ranking", "loss=margin_ranking", "loss.margin=-1"], "loss.margin must be >= 0, got -1"),
        (["data=digits", "loss=multi_margin", "loss.p=3"], "loss.p must be 1 or 2, got 3"),
    ],
)
def test_refused_before_anything_is_planned(tmp_path: Path, words: list[str], line: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_run(tmp_path / "runs", *words)
    assert str(caught.value) == line
    assert not (tmp_path / "runs").exists()


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    done = command(str(ROOT / "train.py"), "data=toy_vectors", "loss=power", runs=tmp_path)
    assert_one_line(
        done.returncode, done.stderr, "loss=power is for classification", "cosine_distance, l1, mse, huber, smooth_l1"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["monitor=val/accuracy"], "monitor=val/accuracy is not measured"),
        (["callbacks=early_stopping"], "callbacks.early_stopping.monitor=val/nll is not measured"),
    ],
)
def test_what_is_not_measured_cannot_be_watched(planned: Plan, words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}; .*val/mae"):
        assemble(planned("data=toy_regression", "loss=l1", *words).config)


def test_a_loss_of_the_user_says_what_it_is_for(planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap_too.py").write_text(TRAP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LOSSBENCH_ALLOW", "trap_too")
    run = planned("data=toy_regression", "loss=l1", "loss._target_=trap_too.AbsoluteCosine", "loss.name=trap")
    with pytest.raises(
        UserError,
        match=r"^loss=trap is for vectors, but the task of data=toy_regression is regression; losses for it: l1",
    ):
        assemble(run.config)


@pytest.mark.parametrize("loss", ["nll", "softmax_mse", "bce", "multi_margin"])
def test_the_classic_losses_of_classes_fit_digits(planned: Plan, loss: str) -> None:
    config: Any = planned("data=digits", f"loss={loss}").config
    assert why_not(config) is None
    assemble(config)
