"""Measures of an arm: widths from the test examples equal naive loops, and what is missing stays missing."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import change, compare_runs, make_arm, make_run, right_of, write_predictions

from lossbench.report.measures import Measures, measure_arms


def measured(*folders: Path, **spec: Any) -> dict[str, Measures]:
    return measure_arms(compare_runs(*folders, **spec)).of_arm


def draw(seed: int, share: float, n: int = 40) -> list[bool]:
    return (np.random.default_rng(seed).random(n) < share).tolist()


@pytest.mark.parametrize("metric", ["test/accuracy", "test/error_rate"])
def test_the_width_of_a_difference_is_that_of_a_loop_over_examples(tmp_path: Path, metric: str) -> None:
    for seed in range(3):
        make_run(tmp_path / "study", seed=seed, right=draw(seed, 0.8))
        make_run(tmp_path / "study", "power", seed, right=draw(10 + seed, 0.7))
    differences = []
    for k in range(40):
        pairs = [(draw(10 + seed, 0.7)[k], draw(seed, 0.8)[k]) for seed in range(3)]
        differences.append(sum(int(ours) - int(theirs) for ours, theirs in pairs) / 3)
    mean = sum(differences) / 40
    sd = math.sqrt(sum((d - mean) ** 2 for d in differences) / 39)
    found = measured(tmp_path, metric=metric)
    assert found["power"].difference_half_width == pytest.approx(1.96 * sd / math.sqrt(40))
    assert found["cross_entropy"].difference_half_width is None


def test_the_same_mistakes_leave_no_doubt(tmp_path: Path) -> None:
    for loss in ("cross_entropy", "power"):
        make_run(tmp_path / "study", loss, right=[True, False, True])
    assert measured(tmp_path)["power"].difference_half_width == 0


def test_only_common_seeds_count_for_the_width(tmp_path: Path) -> None:
    make_run(tmp_path / "study", right=[True, True, False, True])
    make_run(tmp_path / "study", "power", right=[True, False, False, True])
    before = measured(tmp_path)["power"].difference_half_width
    make_run(tmp_path / "study", "power", 1, right=[False] * 4)
    assert measured(tmp_path)["power"].difference_half_width == before


def test_predictions_that_gave_the_scores_by_example_are_not_read_again(tmp_path: Path) -> None:
    for loss, score in (("cross_entropy", 0.8), ("power", 0.9)):
        for seed in range(3):
            make_run(tmp_path / "study", loss, seed, accuracy=score, right=right_of(score))
    before, comparison = measured(tmp_path)["power"].difference_half_width, compare_runs(tmp_path)
    for path in tmp_path.rglob("predictions.npz"):
        path.unlink()
    assert before is not None
    assert before > 0
    assert measure_arms(comparison).of_arm["power"].difference_half_width == before


def saved_by_two(study: Path) -> dict[tuple[str, int], Path]:
    """Two losses with two seeds, all of which saved predictions."""
    cells = [(loss, seed) for seed in range(2) for loss in ("cross_entropy", "power")]
    return {(loss, seed): make_run(study, loss, seed, right=[True, False, True]) for loss, seed in cells}


def without_file(runs: dict[tuple[str, int], Path]) -> None:
    (runs["power", 1] / "predictions.npz").unlink()


def of_other_examples(runs: dict[tuple[str, int], Path]) -> None:
    write_predictions(runs["power", 1], [True, False, True], ids=["x", "y", "z"])


def in_other_order_in_one_seed(runs: dict[tuple[str, int], Path]) -> None:
    for loss in ("cross_entropy", "power"):
        write_predictions(runs[loss, 1], [True, False, True], ids=["c", "b", "a"])


def of_one_example(runs: dict[tuple[str, int], Path]) -> None:
    for path in runs.values():
        write_predictions(path, [True])


@pytest.mark.parametrize("change_files", [without_file, of_other_examples, in_other_order_in_one_seed, of_one_example])
def test_without_the_same_saved_examples_there_is_no_width(
    tmp_path: Path, change_files: Callable[[dict[tuple[str, int], Path]], None]
) -> None:
    runs = saved_by_two(tmp_path / "study")
    assert measured(tmp_path)["power"].difference_half_width is not None
    assert measured(tmp_path, metric="test/nll")["power"].difference_half_width is None
    change_files(runs)
    assert measured(tmp_path)["power"].difference_half_width is None


def test_damaged_predictions_are_named_or_harmless(tmp_path: Path) -> None:
    make_run(tmp_path / "study", right=draw(0, 0.5))
    path = make_run(tmp_path / "study", "power", right=draw(1, 0.5)) / "predictions.npz"
    whole, stream = path.read_bytes(), np.random.default_rng(0)
    refusals: list[str] = []
    before = measured(tmp_path)["power"]
    broken = [whole[: len(whole) * part // 8] for part in range(8)] + [
        b"\x93NUMPY",
        b"not a zip file",
        b"PK\x05\x06" + bytes(18),
    ]
    for _ in range(80):
        spoilt = bytearray(whole)
        for place in stream.integers(0, len(whole), 3):
            spoilt[place] = stream.integers(0, 256)
        broken.append(bytes(spoilt))
    for content in broken:
        path.write_bytes(content)
        found = measure_arms(compare_runs(tmp_path))
        refusals += found.damaged
        assert (found.of_arm["power"].difference_half_width is None) or not found.damaged
        assert found.of_arm["power"].run_half_width == before.run_half_width
    assert len(refusals) > 20
    assert all(said.startswith(f"{path} cannot be read (") for said in refusals)
    assert all(said.endswith("); the half-widths from the test set of its setting are left out") for said in refusals)


def test_predictions_without_a_part_are_named(tmp_path: Path) -> None:
    make_run(tmp_path / "study", right=[True, False])
    path = make_run(tmp_path / "study", "power", right=[True, False]) / "predictions.npz"
    with open(path, "wb") as file:
        np.savez(file, test_outputs=np.eye(2))
    (said,) = measure_arms(compare_runs(tmp_path)).damaged
    assert re.search(r"predictions\.npz cannot be read \(.*test_targets", said)


def test_predictions_that_would_execute_code_are_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "study", right=[True, False])
    path = make_run(tmp_path / "study", "power", right=[True, False]) / "predictions.npz"
    with open(path, "wb") as file:
        np.savez(file, test_outputs=np.array([{}, {}], dtype=object), test_targets=np.zeros(2), test_ids=np.zeros(2))
    (said,) = measure_arms(compare_runs(tmp_path)).damaged
    assert "it holds objects" in said


def test_the_width_of_a_run_is_the_mean_over_seeds_of_what_is_known(tmp_path: Path) -> None:
    for seed, width in enumerate((0.01, 0.03, None)):
        change(make_run(tmp_path / "study", seed=seed) / "result.json", half_width_95={"test/accuracy": width})
    make_run(tmp_path / "study", "power", result={"half_width_95": {}})
    found = measured(tmp_path)
    assert found["cross_entropy"].run_half_width == pytest.approx(0.02)
    assert found["power"].run_half_width is None


def test_calibration_cost_and_memory_are_those_of_the_results(tmp_path: Path) -> None:
    for seed, (seconds, memory) in enumerate(((1.0, 100.0), (2.0, None), (6.0, 300.0))):
        make_run(
            tmp_path / "study",
            seed=seed,
            result={"seconds": seconds, "peak_memory_mb": memory},
            metrics={"test/ece": 0.1 * (seed + 1)},
        )
    make_run(tmp_path / "study", "power", result={"resumed_at": 480}, metrics={"test/ece_scaled": None})
    found = measured(tmp_path)
    ours, other = found["cross_entropy"], found["power"]
    assert set(ours.calibration) == {"test/ece", "test/ece_scaled", "test/nll", "test/nll_scaled"}
    assert ours.calibration["test/ece"].mean == pytest.approx(0.2)
    assert ours.seconds is not None
    assert ours.memory is not None
    assert (ours.seconds.mean, ours.seconds.n, ours.memory.mean, ours.memory.n) == (3, 3, 200, 2)
    assert "test/ece_scaled" not in other.calibration
    assert other.seconds is not None
    assert (other.seconds.mean, other.seconds.n) == (pytest.approx(1.2), 1)


def curves(tmp_path: Path, name: str, ends: list[float], start: float) -> None:
    for seed, end in enumerate(ends):
        make_run(tmp_path / "study", seed=seed, history={name: [(100, start), (200, (start + end) / 2), (300, end)]})


def test_the_goal_is_95_percent_of_the_baselines_last_score(tmp_path: Path) -> None:
    curves(tmp_path, "val/accuracy", [0.7, 0.9], 0.1)
    make_run(tmp_path / "study", "power", history={"val/accuracy": [(100, 0.2), (150, 0.77), (300, 0.2)]})
    found, goal, _ = measure_arms(compare_runs(tmp_path))
    assert goal == pytest.approx(0.95 * 0.8)
    assert found["power"].convergence is not None
    assert found["power"].convergence.steps == 150


def test_the_goal_of_a_metric_that_falls_is_95_percent_of_the_fall(tmp_path: Path) -> None:
    curves(tmp_path, "val/nll", [0.2, 0.4], 2.3)
    assert measure_arms(compare_runs(tmp_path, metric="test/nll")).threshold == pytest.approx(2.3 - 0.95 * (2.3 - 0.3))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_curve_of_the_baseline_that_broke_sets_no_goal(tmp_path: Path, bad: float) -> None:
    curves(tmp_path, "val/accuracy", [0.8, bad], 0.1)
    assert measure_arms(compare_runs(tmp_path)).threshold == pytest.approx(0.95 * 0.8)
    (tmp_path / "b").mkdir()
    curves(tmp_path / "b", "val/accuracy", [bad, bad], 0.1)
    assert measure_arms(compare_runs(tmp_path / "b")).threshold is None


def test_without_histories_or_baseline_nothing_is_timed(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9])
    assert measure_arms(compare_runs(tmp_path)).threshold is None
    (make_run(tmp_path / "study") / "metrics.csv").unlink()
    found, goal, _ = measure_arms(compare_runs(tmp_path))
    assert goal is None
    assert (found["power"].convergence, found["cross_entropy"].band) == (None, None)
    assert found["power"].band is not None
