"""Learning curves and convergence: what was measured, with runs that never get there counted and not dropped."""

import math
from pathlib import Path

import numpy as np
import pytest
from made_runs import cut_in_half, make_run, write_history

from lossbench.errors import UserError
from lossbench.report.arms import make_arms
from lossbench.report.records import read_record
from lossbench.report.stats.summary import t_interval
from lossbench.report.validation_curves import ValidationCurve, convergence, mean_curve, read_curve, read_curves


def curve(*points: tuple[float, float], seconds_per_step: float = 0.5) -> ValidationCurve:
    steps, values = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    return ValidationCurve(steps, values, seconds_per_step)


def test_a_metric_is_read_as_it_was_written(tmp_path: Path) -> None:
    points = [(10, 0.1 + 0.2), (20, 1e-17), (30, 1 / 3)]
    path = make_run(
        tmp_path / "study", history={"val/nll": points, "val/nll_scaled": [(10, 9.0)], "val/accuracy": [(20, 0.5)]}
    )
    found = read_curve(read_record(path), "val/nll")
    assert found is not None
    assert list(zip(found.steps.tolist(), found.values.tolist(), strict=True)) == points
    assert found.seconds_per_step == 1.2 / 480


def test_the_validation_before_the_test_repeats_what_is_known(tmp_path: Path) -> None:
    path = make_run(tmp_path / "study", history={"val/accuracy": [(160, 0.5), (480, 0.7), (480, 0.9)]})
    found = read_curve(read_record(path), "val/accuracy")
    assert found is not None
    assert (found.steps.tolist(), found.values.tolist()) == ([160, 480], [0.5, 0.7])


def test_what_was_not_measured_has_no_history(tmp_path: Path) -> None:
    with_it = make_run(tmp_path / "study")
    without = make_run(tmp_path / "study", seed=1)
    (without / "metrics.csv").unlink()
    assert read_curve(read_record(with_it), "val/ece") is None
    assert read_curve(read_record(without), "val/accuracy") is None
    (arm,) = make_arms([read_record(with_it), read_record(without)])
    assert [len(found.steps) for found in read_curves(arm, "val/accuracy")[0]] == [3]


@pytest.mark.parametrize(
    "rows",
    [
        "480,29,val/accuracy,high\n480,30,test/loss,1\n",
        "480,29,val/accuracy,\n480,30,test/loss,1\n",
        "480,29,val/accuracy,0.9,0.8\n480,30,test/loss,1\n",
        "nan,29,val/accuracy,0.9\n480,30,test/loss,1\n",
        "480,29,val/accuracy,0.9\n480,30,test/lo",
        "480,29,val/accuracy,0.9\n",
        "480,29,val/accuracy,0.9\n480,30,test/loss,1\n\x00\x00\n",
        "",
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, rows: str) -> None:
    path = make_run(tmp_path / "study")
    (path / "metrics.csv").write_text(f"step,epoch,name,value\n{rows}")
    with pytest.raises(
        UserError, match=r"seed0/metrics\.csv cannot be read \(.+\); its run has no learning curve here"
    ) as caught:
        read_curve(read_record(path), "val/accuracy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["half", "empty", "binary", "folder"])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, damage: str) -> None:
    path = make_run(tmp_path / "study")
    table = path / "metrics.csv"
    if damage == "half":
        cut_in_half(table)
    else:
        table.unlink()
        table.mkdir() if damage == "folder" else table.write_bytes({"empty": b"", "binary": b"\xff\x80\x00"}[damage])
    with pytest.raises(UserError, match=r"metrics\.csv cannot be read"):
        read_curve(read_record(path), "val/accuracy")


def test_a_band_holds_mean_and_interval_of_the_common_steps() -> None:
    found = mean_curve(
        [curve((1, 0.1), (2, 0.2), (3, 0.6)), curve((2, 0.4), (3, 0.7)), curve((0, 0.9), (2, 0.3), (3, 0.8))]
    )
    assert found is not None
    assert (found.steps.tolist(), found.n) == ([2, 3], 3)
    assert found.mean.tolist() == pytest.approx([0.3, 0.7])
    for k, column in enumerate(([0.2, 0.4, 0.3], [0.6, 0.7, 0.8])):
        assert (found.low[k], found.high[k]) == t_interval(np.array(column))


def test_a_band_of_one_run_has_no_interval() -> None:
    found = mean_curve([curve((1, 0.1), (2, 0.2))])
    assert found is not None
    assert (found.mean.tolist(), found.n) == ([0.1, 0.2], 1)
    assert np.isnan([found.low, found.high]).all()


def test_a_curve_that_is_not_finite_is_not_in_the_band() -> None:
    fine, broken = curve((1, 0.1), (2, 0.2)), curve((1, 0.1), (2, math.inf))
    found = mean_curve([fine, broken])
    assert found is not None
    assert (found.n, found.mean.tolist()) == (1, [0.1, 0.2])
    assert mean_curve([broken]) is None


def test_without_a_common_step_there_is_no_band() -> None:
    assert mean_curve([curve((1, 0.1)), curve((2, 0.2))]) is None
    assert mean_curve([]) is None


def kaplan_meier(times: list[float], reached: list[bool]) -> float | None:
    """The first time at which at most half are expected to be still on their way, one time after the other."""
    still = 1.0
    for moment in sorted(set(times)):
        at_risk = sum(time >= moment for time in times)
        events = sum(time == moment and hit for time, hit in zip(times, reached, strict=True))
        still *= 1 - events / at_risk
        if still <= 0.5 + 1e-12:
            return moment
    return None


def test_runs_that_never_get_there_are_not_dropped() -> None:
    fast, slow, never = (
        curve((100, 0.9), (300, 0.9)),
        curve((100, 0.1), (200, 0.9), (300, 0.9)),
        curve((100, 0.1), (300, 0.2)),
    )
    one_never = convergence([fast, slow, never], 0.8, higher_is_better=True)
    assert one_never is not None
    assert (one_never.reached, one_never.n, one_never.steps, one_never.seconds) == (2, 3, 200, 100)
    most_never = convergence([fast, never, never], 0.8, higher_is_better=True)
    assert most_never is not None
    assert (most_never.reached, most_never.steps, most_never.seconds) == (1, None, None)


@pytest.mark.parametrize("seed", range(5))
def test_medians_are_those_of_kaplan_and_meier(seed: int) -> None:
    stream = np.random.default_rng(seed)
    curves = []
    for _ in range(9):
        steps = np.sort(stream.choice(np.arange(1, 30), stream.integers(2, 6), replace=False))
        curves.append(ValidationCurve(steps.astype(float), stream.random(len(steps)), 1.0))
    times, reached = [], []
    for curve in curves:
        there = [step for step, value in zip(curve.steps, curve.values, strict=True) if value >= 0.7]
        times.append(float(min(there) if there else max(curve.steps)))
        reached.append(bool(there))
    found = convergence(curves, 0.7, higher_is_better=True)
    assert found is not None
    assert (found.reached, found.steps) == (sum(reached), kaplan_meier(times, reached))


def test_a_metric_that_falls_is_reached_from_above() -> None:
    falling = curve((1, 2.0), (2, 0.5), (3, 0.4))
    found = convergence([falling], 0.5, higher_is_better=False)
    assert found is not None
    assert (found.steps, found.reached) == (2, 1)
    turned = convergence([curve((1, -2.0), (2, -0.5), (3, -0.4))], -0.5, higher_is_better=True)
    assert turned is not None
    assert turned.steps == found.steps


def test_seconds_are_in_proportion_to_the_steps_of_each_run() -> None:
    found = convergence(
        [curve((10, 0.9), seconds_per_step=2), curve((40, 0.9), seconds_per_step=0.1)], 0.9, higher_is_better=True
    )
    assert found is not None
    assert (found.steps, found.seconds) == (10, 4)


def test_a_minority_on_a_slow_machine_makes_no_median() -> None:
    slow, fast = curve((10, 0.1), (20, 0.9), seconds_per_step=9), curve((10, 0.1), (20, 0.1), seconds_per_step=1)
    found = convergence([slow, fast, fast], 0.9, higher_is_better=True)
    assert found is not None
    assert (found.reached, found.steps, found.seconds) == (1, None, None)


def test_without_a_time_the_steps_are_known_all_the_same() -> None:
    found = convergence([curve((10, 0.9), seconds_per_step=math.nan)], 0.9, higher_is_better=True)
    assert found is not None
    assert (found.steps, found.seconds) == (10, None)


def test_the_area_is_the_mean_height_and_leaves_out_what_is_not_finite() -> None:
    fine, broken = curve((0, 0.0), (10, 1.0), (30, 1.0)), curve((0, math.nan), (10, 1.0))
    found = convergence([fine, broken], 0.9, higher_is_better=True)
    assert found is not None
    assert (found.reached, found.n) == (2, 2)
    assert found.area is not None
    assert (found.area.n, found.area.mean) == (1, pytest.approx((5 + 20) / 30))
    alone = convergence([broken], 0.9, higher_is_better=True)
    assert alone is not None
    assert alone.area is None


def test_without_histories_there_is_no_convergence() -> None:
    assert convergence([], 0.9, higher_is_better=True) is None


def test_a_name_in_the_file_is_matched_whole(tmp_path: Path) -> None:
    path = make_run(tmp_path / "study")
    write_history(path, {"my_val/accuracy": [(1, 0.1)], "val/accuracy_of_heads": [(2, 0.2)]}, {"test/accuracy": 0.5})
    assert read_curve(read_record(path), "val/accuracy") is None
