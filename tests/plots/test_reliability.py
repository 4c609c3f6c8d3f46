"""Reliability diagrams show the numbers that lossbench.metrics reports."""

import numpy as np
import pytest
import torch

from lossbench.metrics.measure import metrics_of
from lossbench.plots.examples import to_array
from lossbench.plots.reliability import draw_reliability, reliability


def said(n: int = 400, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor, np.ndarray, np.ndarray]:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    target = torch.where(
        torch.rand(n, generator=generator) < 0.6, logits.argmax(1), torch.randint(classes, (n,), generator=generator)
    )
    return logits, target, logits.softmax(1).amax(1).numpy(), (logits.argmax(1) == target).numpy()


def test_the_calibration_error_is_that_of_the_metrics() -> None:
    logits, target, confidence, correct = said()
    assert reliability(confidence, correct).ece == pytest.approx(metrics_of(logits, target)["ece"].value, abs=1e-12)


def test_bins_are_those_of_a_loop_edges_included() -> None:
    confidence, correct = (
        np.array([0.0, 1 / 15, 0.1, 0.5, 14 / 15, 1.0, 1.0]),
        np.array([False, True, False, True, True, True, False]),
    )
    found = reliability(confidence, correct)
    expected = [0] * 15
    for value in confidence:
        expected[min(14, int(value * 15 + 1e-9))] += 1
    assert found.examples.tolist() == expected
    assert found.accuracy.tolist() == pytest.approx([0, 0.5, 1, 2 / 3])
    assert found.confidence.tolist() == pytest.approx([0, (1 / 15 + 0.1) / 2, 0.5, (14 / 15 + 2) / 3])


def test_intervals_hold_the_accuracy_and_shrink_with_examples() -> None:
    few, many = (reliability(np.full(n, 0.7), np.arange(n) % 10 < 7) for n in (10, 1000))
    assert few.low[0] < few.accuracy[0] < few.high[0]
    assert many.high[0] - many.low[0] < (few.high[0] - few.low[0]) / 5
    everything_right = reliability(np.ones(4), np.ones(4, dtype=bool))
    assert (everything_right.low[0], everything_right.high[0]) == pytest.approx((4 / (4 + 1.96**2), 1.0))


def test_the_legend_says_error_and_n() -> None:
    _, _, confidence, correct = said()
    figure = draw_reliability({"raw": (confidence, correct), "_odd $name$": (confidence**2, correct)}, "test, n = 400")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    first, second, _ = (text.get_text() for text in legend.get_texts())
    assert first == f"raw: ECE {reliability(confidence, correct).ece:.4f}, n = 400"
    assert second.startswith("_odd")
    assert to_array(figure).std() > 5


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        (np.array([0.5, np.nan]), np.array([True, False]), r"confidence must be within 0\.\.1"),
        (np.array([0.5, 1.2]), np.array([True, False]), r"confidence must be within 0\.\.1"),
        (np.array([0.5]), np.array([True, False]), r"confidence must have shape \(2,\)"),
        (np.array([0.5]), np.array([1]), "correct must be bool"),
    ],
)
def test_what_is_no_probability_is_said(confidence: np.ndarray, correct: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reliability(confidence, correct)
    with pytest.raises(ValueError, match="at least one"):
        draw_reliability({}, "")
