"""Grids of images: what is shown, in which order, and that any name can be written."""

import numpy as np
import pytest

from lossbench.plots.examples import draw_images, draw_mistakes, to_array
from lossbench.plots.labels import fit_text, tell_apart

RNG = np.random.default_rng(0)


def noise(n: int, size: int = 8, channels: int = 3) -> np.ndarray:
    return RNG.integers(0, 256, (n, size, size, channels), dtype=np.uint8)


@pytest.mark.parametrize(("n", "channels"), [(1, 3), (5, 1), (11, 3), (40, 3)])
def test_every_image_up_to_32_has_its_caption(n: int, channels: int) -> None:
    figure = draw_images(noise(n, channels=channels), [f"number {i}" for i in range(n)], "a title")
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == min(n, 32)
    assert [axis.get_xlabel() or axis.get_title() for axis in shown] == [f"number {i}" for i in range(min(n, 32))]
    assert to_array(figure).std() > 5


def test_pixels_are_those_given() -> None:
    images = noise(3)
    figure = draw_images(images, ["a", "b", "c"], "")
    for axis, image in zip(figure.axes, images, strict=False):
        assert (np.asarray(axis.images[0].get_array()) == image).all()


def test_the_surest_mistakes_come_first_and_right_answers_are_left_out() -> None:
    target, predicted = np.array([0, 1, 1, 0]), np.array([1, 1, 0, 1])
    figure = draw_mistakes(noise(4), target, predicted, np.array([0.5, 0.99, 0.9, 0.7]), ["cat", "dog"], 3, 10)
    captions = [axis.get_xlabel() or axis.get_title() for axis in figure.axes if axis.images]
    assert [caption.split("(")[1] for caption in captions] == ["90\u00a0%)", "70\u00a0%)", "50\u00a0%)"]
    assert captions[0].startswith("true: dog\nsaid: cat")


def test_no_mistakes_is_said() -> None:
    figure = draw_mistakes(noise(0), np.array([], dtype=int), np.array([], dtype=int), np.array([]), ["a", "b"], 0, 12)
    assert [text.get_text() for text in figure.texts] == ["no mistakes in n = 12 examples"]


@pytest.mark.parametrize("name", ["$x^2$", "a_b", "\\alpha", "", "Ägyptische Mau", "猫", "a" * 300, "tab\tand\nline"])
def test_any_name_can_be_drawn(name: str) -> None:
    assert to_array(draw_images(noise(1), [fit_text(tell_apart([name])[0], 80, 8)], name)).std() > 0


def test_a_long_name_keeps_its_ends() -> None:
    short = fit_text("Staffordshire Bull Terrier of Nowhere in Particular", 60, 8)
    assert short.startswith("Sta")
    assert short.endswith("lar")
    assert "…" in short


@pytest.mark.parametrize(
    ("images", "captions", "message"),
    [
        (np.zeros((2, 8, 8, 3)), ["a", "b"], r"images must be uint8 \(n, H, W, 1 or 3\) with n >= 1"),
        (np.zeros((0, 8, 8, 3), np.uint8), [], "n >= 1"),
        (np.zeros((2, 8, 8, 4), np.uint8), ["a", "b"], "1 or 3"),
        (np.zeros((2, 8, 8, 3), np.uint8), ["a"], "captions must be one for each of the 2 images, got 1"),
    ],
)
def test_what_is_no_grid_is_said(images: np.ndarray, captions: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_images(images, captions, "")
