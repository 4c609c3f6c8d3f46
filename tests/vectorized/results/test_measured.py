"""A stack is measured at once: each run has what it has when it is measured alone."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from lossbench.losses import CosineXent, CrossEntropy, Power
from lossbench.metrics.estimates import Metric
from lossbench.training.evaluation import Evaluation, fitted_scale, measure, with_intervals
from lossbench.training.rows import split_row
from lossbench.vectorized.results import measured
from lossbench.vectorized.results.measured import Measures

LOSSES = [CrossEntropy(), CrossEntropy(), CosineXent(scale=3.0), CosineXent(scale=9.0), Power(q=0.3), Power(q=0.7)]
SIZES = {"val": [12, 12, 12, 12, 12, 12], "test": [20, 21, 20, 21, 20, 21]}  # of folds
CLASSES = 4


def replicate(k: int, uneven: bool) -> Any:
    counts = torch.tensor([9, 5, 3, 1]).roll(k) if uneven else None
    return SimpleNamespace(yardsticks={"yardstick": CrossEntropy(label_smoothing=0.1 * k)}, train_counts=counts)


def evaluations(split: str, seed: int) -> list[Evaluation]:
    generator = torch.Generator().manual_seed(seed)
    targets = {n: torch.randint(CLASSES, (n,), generator=generator) for n in set(SIZES[split])}
    return [Evaluation(3 * torch.randn(n, CLASSES, generator=generator), targets[n]) for n in SIZES[split]]


@pytest.mark.parametrize("at_once", [measured.AT_ONCE, 1])
@pytest.mark.parametrize("uneven", [False, True])
def test_each_run_has_the_numbers_that_it_has_alone(
    monkeypatch: pytest.MonkeyPatch, at_once: int, uneven: bool
) -> None:
    monkeypatch.setattr(measured, "AT_ONCE", at_once)
    replicates = [replicate(k % 2, uneven) for k in range(len(LOSSES))]
    given = {"val": evaluations("val", 0), "test": evaluations("test", 1)}
    cast(torch.Tensor, given["test"][4].output)[0, 0] = torch.nan  # of a run that has overflowed: no other run has it
    beside = evaluations("test", 2)
    found = Measures(LOSSES, replicates, "classification").of(given, beside, "accuracy")
    for k, loss in enumerate(LOSSES):
        scale = fitted_scale(cast(Any, loss), given["val"][k])
        assert found[k].scale == pytest.approx(scale, rel=1e-8)
        known = {"scale": scale, "train_counts": replicates[k].train_counts}
        alone = dict[str, Metric]()
        for split, outputs in given.items():
            estimates = measure(cast(Any, loss), replicates[k].yardsticks, outputs[k], **known)
            alone |= split_row(split, with_intervals(estimates))
        assert list(found[k].metrics) == list(alone)
        for name, metric in alone.items():
            mine = found[k].metrics[name]
            assert mine.value == pytest.approx(metric.value, rel=2e-6, abs=1e-7, nan_ok=True), name
            assert (mine.half_width is None) == (metric.half_width is None), name
            if metric.half_width is not None:
                assert mine.half_width == pytest.approx(metric.half_width, rel=2e-6, abs=1e-7), name
        (accuracy,) = measure(cast(Any, loss), {}, beside[k])["accuracy"].value.tolist()
        assert found[k].beside == pytest.approx(accuracy)
