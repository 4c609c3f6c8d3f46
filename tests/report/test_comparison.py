"""From runs to an answer: what is compared with what, on which seeds, and which way is better."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import change, compare_runs, make_arm, make_run

from lossbench.errors import UserError
from lossbench.report.comparison import Comparison
from lossbench.report.stats.summary import t_interval

BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.81, 0.83]
GOOD = [0.83, 0.84, 0.88, 0.87, 0.92, 0.93, 0.85, 0.84]
BAD = [0.79, 0.77, 0.80, 0.85, 0.84, 0.86, 0.80, 0.79]
SWAPPED = {"better": "worse", "worse": "better"}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for loss, scores in (("cross_entropy", BASE), ("power", GOOD), ("cosine", BAD)):
        make_arm(tmp_path / "study", loss, scores)
    return tmp_path / "study"


def test_differences_are_those_of_a_loop_over_seeds(study: Path) -> None:
    found = compare_runs(study)
    assert [arm.label for arm in found.arms] == ["cross_entropy", "power", "cosine"]
    assert (found.metric, found.margin, found.unit.name) == ("test/accuracy", 0.01, "%")
    for label, scores in (("power", GOOD), ("cosine", BAD)):
        one = found.paired[label]
        naive = [ours - theirs for ours, theirs in zip(scores, BASE, strict=True)]
        mean = sum(naive) / 8
        sd = math.sqrt(sum((d - mean) ** 2 for d in naive) / 7)
        half = 2.8413 * sd / math.sqrt(8)  # Sidak's for two comparisons, 7 degrees, which max-T comes below
        assert (one.mean, one.sd) == pytest.approx((mean, sd))
        assert mean - half <= one.low < mean - 0.9 * half
        assert one.high == pytest.approx(2 * mean - one.low)
        assert (one.n, one.p_sign_flip) == (8, 2 / 2**8)
    assert [one.verdict for one in found.paired.values()] == ["better", "worse"]


def test_arms_are_ordered_from_the_best_behind_the_baseline(study: Path) -> None:
    assert [arm.label for arm in compare_runs(study, baseline="cosine").arms] == ["cosine", "power", "cross_entropy"]
    assert [arm.label for arm in compare_runs(study, metric="test/nll").arms] == ["cross_entropy", "power", "cosine"]


def test_swapping_arm_and_baseline_mirrors_the_answer(study: Path) -> None:
    ours, theirs = compare_runs(study).paired["power"], compare_runs(study, baseline="power").paired["cross_entropy"]
    assert theirs.verdict == SWAPPED[ours.verdict]
    assert (theirs.mean, theirs.p, theirs.p_sign_flip) == (-ours.mean, ours.p, ours.p_sign_flip)
    assert theirs.better_in[0] == 1 - ours.better_in[0]


@pytest.mark.parametrize("metric", ["test/error_rate", "test/nll", "test/brier", "test/ece"])
def test_positive_is_better_where_lower_is_better(study: Path, metric: str) -> None:
    accuracy = compare_runs(study)
    (study / "journal.jsonl").unlink()  # a second metric is a second look
    found = compare_runs(study, metric=metric)
    assert found.unit.higher_is_better is False
    assert {label: one.verdict for label, one in found.paired.items()} == {"power": "better", "cosine": "worse"}
    assert found.paired["power"].mean > 0 > found.paired["cosine"].mean
    assert found.summaries["power"].mean < found.summaries["cross_entropy"].mean
    if metric == "test/error_rate":
        for label, one in found.paired.items():
            assert (one.mean, one.low) == (
                pytest.approx(accuracy.paired[label].mean),
                pytest.approx(accuracy.paired[label].low),
            )
        assert found.margin == accuracy.margin


def test_an_unknown_metric_counts_as_a_loss(tmp_path: Path) -> None:
    for loss, value in (("cross_entropy", 0.5), ("power", 0.4)):
        make_run(tmp_path / "study", loss, metrics={"test/my_yardstick": value})
    found = compare_runs(tmp_path, metric="test/my_yardstick")
    assert found.paired["power"].mean == pytest.approx(0.1)
    assert found.margin is None


def test_an_arm_alone_has_the_summary_of_its_values(study: Path) -> None:
    one = compare_runs(study).summaries["power"]
    assert (one.n, one.mean, one.median) == (8, pytest.approx(np.mean(GOOD)), pytest.approx(np.median(GOOD)))
    assert (one.low, one.high) == t_interval(np.array(GOOD))


def numbers(found: Comparison) -> dict[str, Any]:
    return {label: (one.mean, one.p, one.p_adjusted, one.verdict) for label, one in found.paired.items()}


def test_runs_that_will_have_no_result_change_nothing(study: Path) -> None:
    before = numbers(compare_runs(study))
    for seed, state in enumerate(("failed", "invalid")):
        make_run(study, "inverse", seed, state=state)
        make_run(study, "power", 20 + seed, state=state)
    assert numbers(compare_runs(study)) == before


@pytest.mark.parametrize("state", ["planned", "running", "preempted", "cancelled"])
@pytest.mark.parametrize("loss", ["power", "cross_entropy", "my-loss"])
def test_while_a_run_is_still_to_be_done_nothing_is_judged(study: Path, state: str, loss: str) -> None:
    path = make_run(study, loss, 8, state=state)
    found = compare_runs(study)
    assert found.provisional == 1
    assert {one.verdict for one in found.paired.values()} == {"undecided"}
    assert found.paired["power"].mean == pytest.approx(np.mean(GOOD) - np.mean(BASE))
    assert not (study / "journal.jsonl").exists()
    change(path / "status.json", status="failed")  # it need not succeed, only end
    assert compare_runs(study).paired["power"].verdict == "better"
    assert (study / "journal.jsonl").exists()


def test_a_run_to_be_done_again_keeps_what_was_recorded(study: Path) -> None:
    compare_runs(study)
    before = (study / "journal.jsonl").read_bytes()
    make_run(study, "power", 8, state="planned")
    assert compare_runs(study).paired["power"].verdict == "undecided"
    assert (study / "journal.jsonl").read_bytes() == before


def test_runs_on_other_data_or_of_another_model_are_not_waited_for(study: Path) -> None:
    before = numbers(compare_runs(study))
    for key, name in (("data.name", "toy"), ("model.name", "cnn"), ("model.name", "mlpmixer")):
        make_run(study, "power", settings={key: name}, state="planned")
    found = compare_runs(study)
    assert (found.provisional, numbers(found)) == (0, before)


def test_a_failed_run_that_was_made_elsewhere_has_not_failed(study: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "again" / "study", "power", 3, state="failed")
    make_run(study, "power", 8, state="failed")
    found = compare_runs(study, tmp_path / "again")
    assert (found.unfinished, found.diverged) == ({"power": [8]}, {})


def test_another_loss_costs_multiplicity_and_nothing_else(study: Path) -> None:
    before = compare_runs(study)
    make_arm(study, "inverse", [0.5 + 0.001 * seed for seed in range(8)])
    after = compare_runs(study)
    for label, one in before.paired.items():
        other = after.paired[label]
        assert (other.mean, other.p, other.p_sign_flip) == (one.mean, one.p, one.p_sign_flip)
        assert other.low < one.low < one.high < other.high
        assert one.p_adjusted <= other.p_adjusted <= 3 * one.p_adjusted


def test_seeds_of_other_arms_alone_change_no_comparison(study: Path) -> None:
    before = compare_runs(study).paired["power"]
    make_run(study, "cosine", 77, accuracy=0.1)
    assert compare_runs(study).paired["power"] == before


def test_the_order_of_the_folders_does_not_matter_even_among_equals(tmp_path: Path) -> None:
    for name, rate in (("b", 0.1), ("a", 0.2), ("c", 0.3)):
        make_arm(tmp_path / name, "cross_entropy", [0.9, 0.8], settings={"optimizer.lr": rate})
        make_arm(tmp_path / name, "power", [0.9, 0.8], settings={"optimizer.lr": rate})
    orders = [[tmp_path / name for name in order] for order in ("abc", "bca", "cba")]
    found = [compare_runs(*order) for order in orders]
    assert len({tuple(arm.label for arm in one.arms) for one in found}) == 1
    assert {one.arms[0].label for one in found} == {"cross_entropy lr=0.1"}
    assert [numbers(one) for one in found] == [numbers(found[0])] * 3


def test_losses_are_paired_on_the_seeds_that_they_share(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", [0.5, 0.6, 0.7, 0.1])
    make_arm(tmp_path / "study", "power", [0.65, 0.75, 0.9], first=1)
    make_arm(tmp_path / "study", "cosine", [0.9], first=4)
    found = compare_runs(tmp_path)
    assert found.common == {"power": [1, 2, 3], "cosine": []}
    assert found.paired["power"].mean == pytest.approx((0.05 + 0.05 + 0.8) / 3)
    assert set(found.paired) == {"power"}
    assert (found.summaries["cross_entropy"].n, found.summaries["power"].n) == (4, 3)


def test_the_pairs_are_those_of_a_naive_loop(tmp_path: Path) -> None:
    stream = np.random.default_rng(0)
    ours, theirs = dict(enumerate(stream.random(9))), dict(enumerate(stream.random(7), 3))
    for loss, scores in (("cross_entropy", ours), ("power", theirs)):
        for seed, score in scores.items():
            make_run(tmp_path / "study", loss, seed, accuracy=float(score))
    found = compare_runs(tmp_path)
    assert found.baseline is not None
    expected = [theirs[seed] - ours[seed] for seed in sorted(set(ours) & set(theirs))]
    assert found.common["power"] == sorted(set(ours) & set(theirs))
    assert found.paired["power"].mean == pytest.approx(np.mean(expected))


def test_arms_with_fewer_seeds_are_judged_with_the_others(tmp_path: Path) -> None:
    for loss, shift, n in (("cross_entropy", 0.0, 12), ("power", 0.05, 12), ("cosine", 0.04, 12), ("inverse", 0.03, 5)):
        make_arm(tmp_path / "study", loss, [score + shift for score in (BASE + GOOD)[:n]])
    found = compare_runs(tmp_path).paired
    assert [found[loss].verdict for loss in ("power", "cosine", "inverse")] == ["better", "better", "undecided"]
    assert [found[loss].reachable for loss in ("power", "cosine", "inverse")] == [True, True, False]


def test_a_run_that_is_there_twice_counts_once_and_is_counted(study: Path, tmp_path: Path) -> None:
    before = numbers(compare_runs(study))
    make_arm(tmp_path / "again" / "study", "power", GOOD[:2])
    found = compare_runs(study, tmp_path / "again")
    assert (found.copies, numbers(found)) == (2, before)


def test_a_single_seed_decides_nothing(tmp_path: Path) -> None:
    make_run(tmp_path / "study", accuracy=0.1)
    make_run(tmp_path / "study", "power", accuracy=0.9)
    one = compare_runs(tmp_path).paired["power"]
    assert (one.n, one.p, one.verdict, one.reachable) == (1, 1, "undecided", False)
    assert not (tmp_path / "study" / "journal.jsonl").exists()


def tuned(folder: Path) -> Path:
    """Of three learning rates 0.2 is best in validation, 0.3 in the test."""
    for rate, val, test in ((0.1, 0.7, 0.7), (0.2, 0.9, 0.8), (0.3, 0.8, 0.95)):
        for seed in range(2):
            make_run(
                folder,
                seed=seed,
                settings={"optimizer.lr": rate},
                metrics={"val/accuracy": val + 0.01 * seed, "test/accuracy": test},
            )
    return folder


def test_the_baseline_is_chosen_by_validation_never_by_the_test(tmp_path: Path) -> None:
    found = compare_runs(tuned(tmp_path / "study"))
    assert found.baseline is not None
    assert (found.baseline.label, found.chosen) == ("cross_entropy lr=0.2", True)
    assert [arm.label for arm in found.others] == ["cross_entropy lr=0.3", "cross_entropy lr=0.1"]


def test_a_baseline_may_be_named_with_its_settings(tmp_path: Path) -> None:
    found = compare_runs(tuned(tmp_path / "study"), baseline="cross_entropy lr=0.1")
    assert found.baseline is not None
    assert (found.baseline.label, found.chosen) == ("cross_entropy lr=0.1", False)


def test_the_best_validation_score_of_a_loss_is_the_lowest(tmp_path: Path) -> None:
    for rate, nll in ((0.1, 0.5), (0.2, 0.2), (0.3, 0.9)):
        make_run(tmp_path / "study", settings={"optimizer.lr": rate}, metrics={"val/nll": nll})
    assert compare_runs(tmp_path, metric="test/nll").arms[0].label == "cross_entropy lr=0.2"


def test_without_cross_entropy_nothing_is_compared(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9, 0.8])
    make_arm(tmp_path / "study", "cosine", [0.95, 0.9])
    found = compare_runs(tmp_path)
    assert (found.baseline, found.paired) == (None, {})
    assert [arm.label for arm in found.arms] == ["cosine", "power"]


def test_a_baseline_alone_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", [0.9, 0.8])
    found = compare_runs(tmp_path)
    assert found.baseline is found.arms[0]
    assert (found.others, found.paired) == ([], {})


@pytest.mark.parametrize(
    ("spec", "mention"),
    [
        (
            {"baseline": "cross_entropi"},
            "baseline=cross_entropi does not exist; did you mean cross_entropy? Available:",
        ),
        ({"metric": "test/acuracy"}, "metric=test/acuracy does not exist; did you mean test/accuracy?"),
        ({"metric": "accuracy"}, "metric=accuracy does not exist; did you mean "),
        (
            {"margin": 0},
            "margin must be > 0 and finite, in the unit of test/accuracy (0.01 is one point of accuracy), got 0",
        ),
        ({"margin": -0.5}, "margin must be > 0"),
        ({"margin": math.nan}, "margin must be > 0"),
        ({"margin": math.inf}, "margin must be > 0"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(study: Path, spec: dict[str, Any], mention: str) -> None:
    with pytest.raises(UserError) as caught:
        compare_runs(study, **spec)
    assert mention in str(caught.value)


@pytest.mark.parametrize("lost", [{"test/ece": None}, "missing"])
def test_a_metric_that_a_run_lacks_names_the_run(study: Path, lost: Any) -> None:
    path = make_run(study, "inverse", 0, metrics=lost if isinstance(lost, dict) else None)
    if lost == "missing":
        change(path / "result.json", metrics={"test/accuracy": 0.5, "val/accuracy": 0.5})
    with pytest.raises(UserError, match="metric=test/ece does not exist in all runs") as caught:
        compare_runs(study, metric="test/ece")
    assert f"{path} lacks it" in str(caught.value)


@pytest.mark.parametrize(
    ("monitors", "metric"),
    [(["val/accuracy"], "test/accuracy"), (["val/nll"], "test/nll"), (["val/nll", "val/error_rate"], "test/accuracy")],
)
def test_by_default_the_test_value_of_what_was_monitored_is_compared(
    tmp_path: Path, monitors: list[str], metric: str
) -> None:
    for seed, monitor in enumerate(monitors):
        make_run(tmp_path / "study", seed=seed, settings={"monitor": monitor})
    found = compare_runs(tmp_path)
    assert found.metric == metric
    assert found.monitored == metric.replace("test/", "val/")


@pytest.mark.parametrize("metric", ["test/loss", "val/loss"])
@pytest.mark.parametrize(("loss", "settings"), [("power", {}), ("cross_entropy", {"loss.label_smoothing": 0.1})])
def test_losses_are_not_compared_by_their_own_values(
    tmp_path: Path, metric: str, loss: str, settings: dict[str, Any]
) -> None:
    make_run(tmp_path / "study")
    make_run(tmp_path / "study", loss, settings=settings, accuracy=0.8)
    with pytest.raises(UserError) as caught:
        compare_runs(tmp_path, metric=metric)
    assert str(caught.value).startswith(f"metric={metric} is each run's own loss, a different formula in each")
    assert str(caught.value).endswith("; use test/accuracy, test/nll_scaled or a yardstick such as test/cross_entropy")
    assert "\n" not in str(caught.value)


def test_where_own_losses_were_monitored_accuracy_is_compared(tmp_path: Path) -> None:
    for loss in ("cross_entropy", "power"):
        make_run(tmp_path / "study", loss, settings={"monitor": "val/loss"})
    found = compare_runs(tmp_path)
    assert (found.metric, found.instead) == ("test/accuracy", "test/loss")
    assert compare_runs(tmp_path, metric="test/accuracy").instead is None
    path = make_run(tmp_path / "study", "cosine", metrics={"test/accuracy": None}, settings={"monitor": "val/loss"})
    with pytest.raises(UserError, match="metric=test/accuracy does not exist in all runs") as caught:
        compare_runs(tmp_path)
    assert f"{path} lacks it" in str(caught.value)


@pytest.mark.parametrize("spec", [{}, {"metric": "test/loss"}])
def test_one_loss_may_be_compared_by_its_value(tmp_path: Path, spec: dict[str, Any]) -> None:
    for rate in (0.1, 0.2):
        make_run(
            tmp_path / "study",
            settings={"optimizer.lr": rate, "monitor": "val/loss"},
            metrics={"val/loss": rate, "test/loss": rate},
        )
    found = compare_runs(tmp_path, **spec)
    assert (found.metric, found.instead) == ("test/loss", None)
    assert found.paired["cross_entropy lr=0.2"].mean == pytest.approx(-0.1)


def test_the_margin_decides_what_is_equivalent(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", BASE)
    make_arm(tmp_path / "study", "power", [score + 0.002 * (-1) ** seed for seed, score in enumerate(BASE)])
    verdicts: list[str] = []
    for margin in (None, 0.01, 0.003, 0.0005):
        verdicts.append(compare_runs(tmp_path, margin=margin).paired["power"].verdict)
        (tmp_path / "study" / "journal.jsonl").unlink()  # each as if it were asked first
    assert verdicts == ["equivalent", "equivalent", "equivalent", "undecided"]


def same(seed_less: float) -> dict[str, float | None]:
    return {"val/loss": seed_less, "test/loss": seed_less}


def test_where_the_seed_decides_nothing_one_is_shown(tmp_path: Path) -> None:
    for loss, value in (("cross_entropy", 0.2), ("power", 0.3)):
        make_arm(tmp_path / "study", loss, [1 - value] * 5, metrics=same(value))
    found = compare_runs(tmp_path)
    assert found.frozen
    assert [list(arm.runs) for arm in found.arms] == [[0], [0]]
    one = found.paired["power"]
    assert (one.n, one.verdict, one.p) == (1, "undecided", 1)
    assert one.mean == pytest.approx(-0.1)


def test_the_one_seed_shown_is_one_that_all_have(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", [0.8] * 3, metrics=same(0.2))
    make_arm(tmp_path / "study", "power", [0.7] * 2, first=1, metrics=same(0.3))
    found = compare_runs(tmp_path)
    assert [list(arm.runs) for arm in found.arms] == [[1], [1]]
    assert found.paired["power"].mean == pytest.approx(-0.1)


@pytest.mark.parametrize("other", [[0.2, 0.2000001], [0.2, None], [None, None]])
def test_seeds_that_differ_anywhere_all_count(tmp_path: Path, other: list[float | None]) -> None:
    make_arm(tmp_path / "study", "power", [0.7] * 2, metrics=same(0.3))
    for seed, value in enumerate(other):
        make_run(tmp_path / "study", seed=seed, metrics={"val/loss": 0.1, "test/loss": value})
    found = compare_runs(tmp_path)
    assert not found.frozen
    assert [len(arm.runs) for arm in found.arms] == [2, 2]
