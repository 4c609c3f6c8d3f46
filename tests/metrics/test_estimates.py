"""Intervals by hand and by simulation."""

import math

import pytest
import torch
from outputs import covered

from lossbench.metrics.estimates import Metric, mean


def test_mean_of_each_run_with_its_interval() -> None:
    found = mean(torch.tensor([[1.0, 3.0], [4.0, 4.0], [1.0, math.inf]])).metrics()
    assert [metric.value for metric in found] == [2.0, 4.0, math.inf]
    assert [metric.half_width for metric in found] == [pytest.approx(1.96), 0.0, None]


def test_one_example_has_no_interval() -> None:
    assert mean(torch.tensor([[2.0]])).metrics() == [Metric(2.0, None)]


def test_values_that_are_no_examples_of_runs_are_refused() -> None:
    for wrong in (torch.zeros(0), torch.zeros(2, 0), torch.zeros(2, 2, 2)):
        with pytest.raises(ValueError, match="values must have shape"):
            mean(wrong)


def test_mean_intervals_cover_the_truth() -> None:
    draws = torch.rand(600, 100, generator=torch.Generator().manual_seed(3))
    assert 0.92 < sum(covered(metric, 0.5) for metric in mean(draws).metrics()) / 600 < 0.98
