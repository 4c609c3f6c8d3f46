"""Swept numbers: every arm and every invalid cell at its place."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import compare_runs, find_in, make_arm, make_run, read

from lossbench.plots.page import PageFigure
from lossbench.report.comparison import Comparison
from lossbench.report.figures import draw_figures
from lossbench.report.grids import Grid, find_grids


def sweep(
    study: Path,
    axes: Mapping[str, list[Any]],
    score: Callable[..., float | None],
    *,
    loss: str = "cosine_prob",
    seeds: int = 1,
) -> None:
    """Write a run for each cell; where the score is None the cell is invalid."""
    cells: list[dict[str, Any]] = [{}]
    for key, values in axes.items():
        cells = [{**cell, key: value} for cell in cells for value in values]
    for cell in cells:
        accuracy = score(*cell.values())
        for seed in range(seeds):
            if accuracy is None:
                make_run(study, loss, seed, state="invalid", settings=cell)
            else:
                make_run(study, loss, seed, accuracy=accuracy + 0.001 * seed, settings=cell)


def grids(folder: Path, **spec: Any) -> tuple[Comparison, list[Grid]]:
    found = compare_runs(folder, **spec)
    return found, find_grids(found, [record for record in read(folder) if record.result is None])


def pictures(folder: Path) -> dict[str, PageFigure]:
    return {figure.name: figure for figure in draw_figures(find_in(folder))}


def accuracy_at(alpha: float, beta: float) -> float | None:
    """None where the loss is not defined."""
    return None if alpha + beta > 2.6 else round(0.6 + alpha / 10 - beta / 100, 3)


def test_every_cell_is_at_its_place(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", [0.5, 0.6])
    alphas, betas = [0.5, 0.1, 0.9, 1.5], [2, 0, 1]
    sweep(tmp_path / "study", {"loss.alpha": alphas, "loss.beta": betas}, accuracy_at, seeds=2)
    comparison, (grid,) = grids(tmp_path)
    assert (grid.loss, grid.keys, grid.fixed, grid.best) == ("cosine_prob", ("loss.alpha", "loss.beta"), {}, (3, 0))
    assert (grid.x.tolist(), grid.y.tolist()) == ([0.1, 0.5, 0.9, 1.5], [0, 1, 2])
    expected = np.array([[accuracy_at(alpha, beta) or math.nan for alpha in grid.x] for beta in grid.y])
    assert np.array_equal(grid.invalid, np.isnan(expected))
    assert grid.mean(comparison) == pytest.approx(100 * (expected + 0.0005), nan_ok=True)
    assert len(grid.arms) == np.isfinite(expected).sum()
    assert (grid.arms[1, 2].params["loss.alpha"], grid.arms[1, 2].params["loss.beta"]) == (0.5, 2)


def test_a_cell_that_was_not_run_is_neither_an_arm_nor_invalid(tmp_path: Path) -> None:
    for alpha, beta in ((1, 1), (2, 2), (3, 1)):
        make_run(tmp_path / "study", "power", accuracy=0.9, settings={"loss.alpha": alpha, "loss.beta": beta})
    comparison, (grid,) = grids(tmp_path)
    assert np.isnan(grid.mean(comparison)).tolist() == [[False, True, False], [True, False, True]]
    assert not grid.invalid.any()


def test_the_best_cell_of_a_metric_that_falls_is_the_lowest(tmp_path: Path) -> None:
    sweep(tmp_path / "study", {"loss.q": [0.1, 0.5, 0.9]}, lambda q: 0.8 + q / 10, loss="power")
    assert [
        grids(tmp_path, metric=metric)[1][0].best for metric in ("test/accuracy", "test/nll", "test/error_rate")
    ] == [(2, 0)] * 3


def test_one_swept_number_is_a_line(tmp_path: Path) -> None:
    make_run(tmp_path / "study", accuracy=0.7)
    sweep(tmp_path / "study", {"loss.q": [0.9, 0.1, 0.5]}, lambda q: None if q == 0.5 else q, loss="power", seeds=2)
    sweep(tmp_path / "study", {"loss.q": [0.3]}, lambda q: q, loss="power", seeds=2)
    comparison, (grid,) = grids(tmp_path)
    assert grid.x.tolist() == [0.1, 0.3, 0.5, 0.9]
    assert np.isnan(grid.y).tolist() == [True]
    assert grid.invalid.tolist() == [[False, False, True, False]]
    assert grid.mean(comparison)[0].tolist() == pytest.approx([10.05, 30.05, math.nan, 90.05], nan_ok=True)
    shown = pictures(tmp_path)["swept_power"]
    assert shown.title == "power: test/accuracy over q"
    assert "best: q 0.9: 90.05 % (95 % interval" in shown.caption


@pytest.mark.parametrize(
    "axes",
    [
        {"loss.q": [1, 2]},
        {"loss.q": [1, 2], "loss.p": [1, 2]},
        {"loss.kind": ["a", "b", "c"]},
        {"loss.on": [True, False]},
    ],
)
def test_less_than_three_numbers_make_no_picture(tmp_path: Path, axes: dict[str, list[Any]]) -> None:
    sweep(tmp_path / "study", axes, lambda *_: 0.9)
    assert grids(tmp_path)[1] == []
    assert set(pictures(tmp_path)) == {"seeds", "curves", "calibration", "cost"}


def third(alpha: float, beta: float, gamma: float) -> float | None:
    """Best at gamma 5; at gamma 6 one cell is invalid."""
    return None if (alpha, beta, gamma) == (0.3, 2, 6) else 0.9 - 0.1 * (gamma == 6) + 0.01 * alpha


def test_of_three_swept_numbers_the_third_is_fixed_at_the_best(tmp_path: Path) -> None:
    sweep(tmp_path / "study", {"loss.alpha": [0.1, 0.2, 0.3], "loss.beta": [1, 2, 3], "loss.gamma": [5, 6]}, third)
    comparison, (grid,) = grids(tmp_path)
    assert (grid.keys, grid.fixed) == (("loss.alpha", "loss.beta"), {"loss.gamma": 5})
    assert {arm.params["loss.gamma"] for arm in grid.arms.values()} == {5}
    assert len(grid.arms) == 9
    assert not grid.invalid.any()  # what is invalid at another gamma is not invalid here
    assert np.isfinite(grid.mean(comparison)).all()
    shown = pictures(tmp_path)["heatmap_cosine_prob"]
    assert shown.title == "cosine_prob: test/accuracy over alpha and beta at loss.gamma=5"
    assert "not defined" not in shown.caption


def test_the_two_numbers_with_most_values_span_the_grid(tmp_path: Path) -> None:
    sweep(
        tmp_path / "study",
        {"loss.a": [1, 2], "loss.b": [1, 2, 3], "loss.c": [1, 2, 3, 4]},
        lambda a, b, c: a / 10 + b / 100 + c / 1000,
    )
    _, (grid,) = grids(tmp_path)
    assert (grid.keys, grid.fixed, grid.best) == (("loss.b", "loss.c"), {"loss.a": 2}, (2, 3))


def test_invalid_cells_count_only_at_the_fixed_setting_and_numbers_to_12_digits(tmp_path: Path) -> None:
    sweep(
        tmp_path / "study",
        {"loss.a": [0.1 + 0.2], "loss.b": [1, 2, 3], "loss.c": [1, 2, 3]},
        lambda a, b, c: None if b * c == 9 else 0.9,
    )
    sweep(
        tmp_path / "study",
        {"loss.a": [0.7], "loss.b": [1, 2, 3], "loss.c": [1, 2, 3]},
        lambda a, b, c: None if b * c == 1 else 0.5,
    )
    make_run(tmp_path / "study", "cosine_prob", state="invalid", settings={"loss.a": 0.3, "loss.b": 1, "loss.c": 4})
    _, (grid,) = grids(tmp_path)
    assert grid.y.tolist() == [1, 2, 3, 4]
    assert np.argwhere(grid.invalid).tolist() == [[2, 2], [3, 0]]


def test_a_learning_rate_may_span_the_grid(tmp_path: Path) -> None:
    for loss in ("cross_entropy", "power"):
        sweep(tmp_path / "study", {"optimizer.lr": [0.1, 0.01, 0.001]}, lambda lr: 0.9 - lr, loss=loss)
    _, found = grids(tmp_path)
    assert [(grid.loss, grid.keys, grid.x.tolist(), grid.best) for grid in found] == [
        ("cross_entropy", ("optimizer.lr",), [0.001, 0.01, 0.1], (0, 0)),
        ("power", ("optimizer.lr",), [0.001, 0.01, 0.1], (0, 0)),
    ]
    assert {"swept_cross_entropy", "swept_power"} <= set(pictures(tmp_path))


def test_a_learning_rate_and_a_setting_of_the_loss_make_a_map(tmp_path: Path) -> None:
    make_run(tmp_path / "study", settings={"optimizer.lr": 0.5})
    sweep(
        tmp_path / "study",
        {"loss.q": [0.1, 0.2, 0.3, 0.4], "optimizer.lr": [0.01, 0.1]},
        lambda q, lr: None if q == 0.3 else q + lr,
        loss="power",
    )
    _, (grid,) = grids(tmp_path)
    assert (grid.keys, grid.x.tolist(), grid.y.tolist()) == (
        ("loss.q", "optimizer.lr"),
        [0.1, 0.2, 0.3, 0.4],
        [0.01, 0.1],
    )
    assert grid.invalid.tolist() == [[False, False, True, False]] * 2
    shown = pictures(tmp_path)["heatmap_power"]
    assert shown.caption.startswith("Mean over seeds; best: q 0.4, optimizer.lr 0.1: 50.00 % (n = 1 seed).")
    assert "In 2 cells the loss is not defined." in shown.caption


def test_what_is_no_number_is_fixed_if_it_was_swept_too(tmp_path: Path) -> None:
    axes = {
        "loss.q": [1, 2, 3],
        "loss.on": [True, False],
        "model.hidden": [[8], [16]],
        "scheduler.name": ["constant", "cosine"],
    }

    def score(q: int, on: bool, hidden: list[int], name: str) -> float:
        return 0.5 + 0.01 * q + 0.1 * on + 0.1 * (hidden == [16]) + 0.1 * (name == "cosine")

    sweep(tmp_path / "study", axes, score, loss="power")
    _, (grid,) = grids(tmp_path)
    assert (grid.keys, grid.fixed) == (("loss.q",), {"loss.on": True, "model.hidden": [16], "scheduler.name": "cosine"})
    assert [grid.arms[i, 0].params["loss.q"] for i in range(3)] == [1, 2, 3]


def test_another_loss_changes_no_grid(tmp_path: Path) -> None:
    sweep(tmp_path / "study", {"loss.q": [0.1, 0.5, 0.9]}, lambda q: q, loss="power")
    _, (before,) = grids(tmp_path)
    sweep(tmp_path / "study", {"loss.q": [0.2, 7.0]}, lambda q: None if q == 7 else q, loss="other")
    _, (after,) = grids(tmp_path)
    assert (after.x.tolist(), after.invalid.tolist(), after.best) == (
        before.x.tolist(),
        before.invalid.tolist(),
        before.best,
    )
