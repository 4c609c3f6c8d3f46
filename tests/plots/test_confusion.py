"""Confusion matrices: counted like a loop, readable at any number of classes."""

import numpy as np
import pytest

from lossbench.plots.confusion import count_confusions, draw_confusion, most_confused, percent_of_rows
from lossbench.plots.examples import to_array

RNG = np.random.default_rng(0)


def examples(classes: int, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    target = RNG.integers(0, classes, n)
    return target, np.where(RNG.random(n) < 0.8, target, RNG.integers(0, classes, n))


def test_counts_are_those_of_a_loop() -> None:
    target, predicted = examples(7)
    counts = np.zeros((7, 7), dtype=int)
    for true, said in zip(target, predicted, strict=True):
        counts[true, said] += 1
    assert (count_confusions(target, predicted, 7) == counts).all()


def test_a_class_without_examples_stays_blank_and_the_others_add_up() -> None:
    percent = percent_of_rows(count_confusions(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 1]), 4))
    assert percent.mask.all(1).tolist() == [False, True, False, True]
    assert percent[0].tolist() == [50, 50, 0, 0]
    assert percent[2].sum() == pytest.approx(100)


def test_the_commonest_mistakes_come_first_and_right_answers_never() -> None:
    counts = np.array([[90, 5, 0], [5, 2, 1], [0, 0, 50]])
    assert most_confused(counts) == [(1, 0), (0, 1), (1, 2)]  # of equal counts the smaller class is confused more
    assert most_confused(np.diag([3, 4])) == []
    assert len(most_confused(np.ones((9, 9), dtype=int))) == 12


@pytest.mark.parametrize("classes", [2, 25, 26, 61, 1000])
def test_it_can_be_drawn(classes: int) -> None:
    figure = draw_confusion(*examples(classes), [f"class_{k} with $ and _ {k}" for k in range(classes)])
    assert to_array(figure).std() > 5


def test_small_matrices_say_their_numbers() -> None:
    figure = draw_confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), ["cat", "dog"])
    (axis,) = figure.axes
    assert sorted(text.get_text() for text in axis.texts) == ["100", "33", "67"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["cat (3)", "dog (1)"]


@pytest.mark.parametrize(
    ("target", "predicted", "message"),
    [
        (np.array([], dtype=int), np.array([], dtype=int), r"target must have shape \(n,\) with n >= 1"),
        (np.array([0, 3]), np.array([0, 1]), r"target must be within 0\.\.2, got 0\.\.3"),
        (np.array([0, 1]), np.array([0.0, 1.0]), r"predicted must be integers of shape \(2,\)"),
        (np.array([0, 1]), np.array([0]), r"predicted must be integers of shape \(2,\)"),
    ],
)
def test_what_fits_nothing_is_said(target: np.ndarray, predicted: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_confusion(target, predicted, ["a", "b", "c"])
