"""What each example contributes: the mean is the metric, the spread is the brute-force jackknife's."""

import numpy as np
import pytest
import torch

from lossbench.metrics.examples import example_parts, parts_of_runs
from lossbench.metrics.measure import metrics_of
from lossbench.metrics.registry import METRICS, ONE_CLASS

N = 60
STREAM = torch.Generator().manual_seed(3)
TARGET = torch.randn(N, 6, generator=STREAM).double()
OUTPUT = (TARGET + torch.randn(N, 6, generator=STREAM)).double()
SCALE = 1.7
# The smallest class has one example, and one class is predicted and never the target.
CLASS = TARGET[:, :5].argmax(1).where(torch.arange(N) != 7, 5)
CASES = {
    "classification": (OUTPUT, CLASS),
    "ordinal": (OUTPUT, CLASS),
    "regression": (OUTPUT, TARGET),
    "vectors": (OUTPUT, TARGET),
    "distribution": (OUTPUT, TARGET.softmax(1)),
    "count": (OUTPUT, TARGET.exp().round()),
    "ranking": (OUTPUT[:, :2], TARGET[:, 0].sign()),
    "similarity": (torch.stack((OUTPUT, TARGET), 1), TARGET[:, 0].sign()),
    "multi_label": (OUTPUT - 1, (TARGET > 1) & (torch.arange(6) > 0) | (torch.arange(N)[:, None] == 7)),
    "triplets": (torch.stack((OUTPUT, TARGET, OUTPUT.roll(1, 0)), 1), torch.ones(N)),
}
EVERY = [(task, name) for task in CASES for name, found in METRICS.items() if task in found.tasks]
TRAIN_COUNTS = [5, 90, 40, 40, 300, 7]
DELTA = ("rmse", "r2")  # influence instead of leaving out: equal but for 1 / n
NOT_SMOOTH = ("worst_class",)  # which class is the worst is taken as given


def parts_of(task: str, name: str) -> np.ndarray:
    output, target = CASES[task]
    found = example_parts(
        name, output.float().numpy(), target.numpy(), task=task, scale=SCALE, train_counts=TRAIN_COUNTS
    )
    assert found is not None
    return found


def value(task: str, name: str, kept: torch.Tensor) -> float:
    output, target = CASES[task]
    counts = torch.tensor(TRAIN_COUNTS)
    return metrics_of(output[kept].float(), target[kept], task=task, scale=SCALE, train_counts=counts)[name].value


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_the_mean_of_the_parts_is_the_metric(task: str, name: str) -> None:
    parts = parts_of(task, name)
    assert parts.shape == (N,)
    assert np.nanmean(parts) == pytest.approx(value(task, name, torch.arange(N)), rel=1e-6)


@pytest.mark.parametrize(("task", "name"), [each for each in EVERY if each[1] not in NOT_SMOOTH])
def test_the_spread_of_the_parts_is_that_of_the_jackknife(task: str, name: str) -> None:
    without = [value(task, name, torch.arange(N) != k) for k in range(N)]
    parts = parts_of(task, name)
    known = parts[~np.isnan(parts)]
    n = len(known)
    brute = (N - 1) / N * np.square(np.array(without) - np.mean(without)).sum()
    assert known.var(ddof=1) / n == pytest.approx(brute, rel=0.1 if name in DELTA or n < N else 1e-4)


def test_the_parts_of_the_worst_class_vary_among_its_examples_alone() -> None:
    target = torch.tensor([0] * 6 + [1] * 4)
    output = torch.eye(2)[torch.tensor([0] * 6 + [1, 0, 0, 0])]
    found = example_parts("worst_class", output.numpy(), target.numpy())
    assert found is not None
    assert found.tolist() == pytest.approx([0.25] * 6 + [0.25 + 0.75 * 2.5, *[0.25 - 0.25 * 2.5] * 3])


def test_a_metric_of_another_task_and_one_that_does_not_apply_have_no_parts() -> None:
    output, target = CASES["classification"]
    assert example_parts("mae", output.numpy(), target.numpy()) is None
    assert example_parts("nll_scaled", output.numpy(), target.numpy()) is None
    assert example_parts("my_yardstick", output.numpy(), target.numpy()) is None


def test_outputs_become_logits_first() -> None:
    output, target = CASES["classification"]
    found = example_parts("nll", output.numpy(), target.numpy(), logits=lambda outputs: 3 * outputs)
    assert found is not None
    assert found.mean() == pytest.approx(metrics_of(3 * output.float(), target)["nll"].value, rel=1e-5)


def test_one_example_has_its_own_value() -> None:
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece", "worst_class"):
        found = example_parts(name, OUTPUT[:1].numpy(), CLASS[:1].numpy())
        assert found is not None
        assert found.tolist() == pytest.approx([metrics_of(OUTPUT[:1].float(), CLASS[:1])[name].value])


@pytest.mark.parametrize(("task", "name"), [each for each in EVERY if each[0] in ONE_CLASS])
def test_the_parts_of_many_runs_are_those_of_each(task: str, name: str) -> None:
    stream = np.random.default_rng(4)
    outputs = stream.normal(size=(3, N, 6)).astype(np.float32)
    targets, scales = stream.integers(0, 6, size=(3, N)), np.array([0.5, 1.0, 2.0])
    counts = np.stack([stream.permutation(TRAIN_COUNTS) for _ in range(3)])
    found = parts_of_runs(name, outputs, targets, task=task, scale=scales, train_counts=counts)
    assert found is not None
    for k in range(3):
        one = example_parts(name, outputs[k], targets[k], task=task, scale=scales[k], train_counts=counts[k].tolist())
        np.testing.assert_array_equal(found[k], one)
