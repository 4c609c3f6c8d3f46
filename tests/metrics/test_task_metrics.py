"""Metrics of the tasks besides classification: torchmetrics and scikit-learn as references, intervals against resampling."""

import math
from collections.abc import Callable

import pytest
import torch
import torchmetrics.functional as reference
from sklearn.metrics import f1_score
from torch import Tensor

from lossbench.config.rules import TASKS
from lossbench.metrics.classification import classification_metrics
from lossbench.metrics.intervals import Metric
from lossbench.metrics.pairs import ranking_metrics, similarity_metrics, triplet_metrics
from lossbench.metrics.regression import count_metrics, distribution_metrics, regression_metrics, vector_metrics
from lossbench.metrics.units import HEADLINES
from lossbench.training.evaluation import METRICS
from lossbench.vectorized.engine.measures import classification_values

N = 400


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


TARGET = draw(N, 3, seed=1)
OUTPUT = TARGET + 0.5 * draw(N, 3, seed=2).exp()


def test_regression_is_what_torchmetrics_says() -> None:
    found = regression_metrics(OUTPUT, TARGET)
    assert found["mae"].value == pytest.approx(reference.mean_absolute_error(OUTPUT, TARGET).item(), rel=1e-6)
    assert found["rmse"].value == pytest.approx(
        reference.mean_squared_error(OUTPUT, TARGET, squared=False).item(), rel=1e-6
    )
    assert found["r2"].value == pytest.approx(reference.r2_score(OUTPUT, TARGET).item(), rel=1e-6)
    assert {name: m.value for name, m in regression_metrics(OUTPUT[:, 0], TARGET[:, 0]).items()} == {
        name: m.value for name, m in regression_metrics(OUTPUT[:, :1], TARGET[:, :1]).items()
    }


def test_a_target_that_never_varies_has_an_r2_too() -> None:
    ones = torch.ones(4, 1)
    assert regression_metrics(ones, ones)["r2"].value == 1
    assert regression_metrics(2 * ones, ones)["r2"].value == 0
    assert all(
        metric.half_width is not None and math.isfinite(metric.half_width)
        for metric in regression_metrics(ones, ones).values()
    )


def test_angles_are_exact_where_an_arccosine_is_not() -> None:
    found = vector_metrics(OUTPUT, TARGET)["angle"]
    cos = reference.cosine_similarity(OUTPUT, TARGET, reduction="none")
    assert found.value == pytest.approx(torch.rad2deg(torch.arccos(cos)).mean().item(), rel=1e-6)
    tiny = torch.tensor([[1.0, 1e-7]])
    assert vector_metrics(tiny, torch.tensor([[3.0, 0.0]]))["angle"].value == pytest.approx(
        math.degrees(1e-7), rel=1e-6
    )
    assert vector_metrics(tiny, torch.tensor([[-3.0, 0.0]]))["angle"].value == pytest.approx(
        180 - math.degrees(1e-7), rel=1e-12
    )


def test_distributions_and_counts_are_what_torchmetrics_says() -> None:
    t = TARGET.softmax(1)
    found = distribution_metrics(OUTPUT, t)
    assert found["kl"].value == pytest.approx(reference.kl_divergence(t, OUTPUT.softmax(1)).item(), rel=1e-6)
    assert distribution_metrics(t.log(), t)["kl"].value == pytest.approx(0, abs=1e-12)
    assert distribution_metrics(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))["total_variation"].value == 0.5
    counts = torch.poisson(TARGET.exp(), torch.Generator().manual_seed(0))
    deviance = reference.tweedie_deviance_score(OUTPUT.exp().flatten(), counts.flatten(), power=1).item()
    assert count_metrics(OUTPUT, counts)["deviance"].value == pytest.approx(deviance, rel=1e-6)


def test_pairs_and_triplets_are_counted() -> None:
    y = torch.tensor([1.0, 1, -1, -1])
    assert ranking_metrics(torch.tensor([[2.0, 1], [1, 1], [1, 2], [2, 1]]), y)["pair_accuracy"].value == 0.5
    east, north = torch.tensor([1.0, 0]), torch.tensor([0.0, 1])
    pairs = torch.stack([torch.stack(pair) for pair in ((east, east), (east, north), (east, north), (east, 3 * east))])
    found = similarity_metrics(pairs, y)
    assert found["pair_accuracy"].value == 0.5
    assert found["angle_similar"].value == pytest.approx(45)
    assert "angle_similar" not in similarity_metrics(pairs[2:], y[2:])
    triplets = torch.stack(
        [torch.stack(three) for three in ((east, east, north), (east, north, east), (east, east, east))]
    )
    assert triplet_metrics(triplets, torch.ones(3))["pair_accuracy"].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("metrics", "output", "target", "message"),
    [
        (regression_metrics, torch.zeros(3, 1), torch.zeros(3), "must have one shape"),
        (vector_metrics, torch.zeros(0, 2), torch.zeros(0, 2), "n >= 1"),
        (ranking_metrics, torch.zeros(3, 2), torch.tensor([1.0, 0, -1]), r"target must be \+1 or -1, got 0"),
        (similarity_metrics, torch.zeros(3, 2), torch.ones(3), r"must have shapes \(n, 2, D\)"),
        (triplet_metrics, torch.zeros(3, 2, 4), torch.ones(3), r"must have shapes \(n, 3, D\)"),
    ],
)
def test_wrong_input_is_refused(
    metrics: Callable[[Tensor, Tensor], object], output: Tensor, target: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metrics(output, target)


def test_macro_f1_is_what_scikit_learn_says_alone_and_stacked() -> None:
    logits, target = draw(2, 60, 5), torch.randint(4, (60,), generator=torch.Generator().manual_seed(3))
    logits[1, :, 2] = -9  # never predicted
    stacked = classification_values(logits, target)["macro_f1"]
    for z, together in zip(logits, stacked.tolist(), strict=True):
        alone = classification_metrics(z, target)["macro_f1"].value
        assert alone == pytest.approx(f1_score(target, z.argmax(1), average="macro"), rel=1e-9)
        assert together == pytest.approx(alone, rel=1e-12)


def resampled(
    metrics: Callable[[Tensor, Tensor], dict[str, Metric]], output: Tensor, target: Tensor
) -> dict[str, float]:
    generator = torch.Generator().manual_seed(5)
    draws = [torch.randint(len(target), (len(target),), generator=generator) for _ in range(400)]
    values = [{name: metric.value for name, metric in metrics(output[i], target[i]).items()} for i in draws]
    return {name: 1.96 * torch.tensor([each[name] for each in values]).std().item() for name in values[0]}


@pytest.mark.parametrize(
    ("metrics", "output", "target"),
    [
        (regression_metrics, OUTPUT, TARGET),
        (vector_metrics, OUTPUT, TARGET),
        (distribution_metrics, OUTPUT, TARGET.softmax(1)),
        (count_metrics, OUTPUT, TARGET.exp().round()),
        (ranking_metrics, OUTPUT[:, :2], TARGET[:, 0].sign()),
        (similarity_metrics, torch.stack((OUTPUT, TARGET), 1), TARGET[:, 0].sign()),
        (lambda o, t: {"macro_f1": classification_metrics(o, t)["macro_f1"]}, OUTPUT, TARGET.argmax(1)),
    ],
    ids=["regression", "vectors", "distribution", "count", "ranking", "similarity", "macro_f1"],
)
def test_intervals_are_as_wide_as_resampling_says(
    metrics: Callable[[Tensor, Tensor], dict[str, Metric]], output: Tensor, target: Tensor
) -> None:
    widths = resampled(metrics, output, target)
    for name, metric in metrics(output, target).items():
        assert metric.half_width == pytest.approx(widths[name], rel=0.2), name


def test_every_task_has_losses_metrics_and_a_headline() -> None:
    assert METRICS.keys() == TASKS.keys()
    forms = {"ranking": (4, 2, 1), "similarity": (4, 2, 3), "triplets": (4, 3, 3)}
    for task, metrics in METRICS.items():
        output = draw(*forms.get(task, (4, 3)))
        target = torch.ones(4) if task in forms else output.softmax(1)
        assert any(name in HEADLINES for name in metrics(output, target)), task
