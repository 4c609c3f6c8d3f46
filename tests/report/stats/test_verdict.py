"""Verdicts follow their rules; what a study may claim is in test_error_rates.py."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from lossbench.report.stats import paired
from lossbench.report.stats.sequential import ALPHA, least_seeds, look_factor, more_seeds
from lossbench.report.stats.summary import t_interval
from lossbench.report.stats.verdict import compare, decide


def family(n: int = 12) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(1)
    noise = stream.normal(0, 1, (n, 4))
    return dict(zip(("good", "bad", "same", "open"), (noise * [1, 1, 0.1, 1] + [3, -3, 0, 0.4]).T, strict=True))


def test_a_family_gets_the_four_verdicts() -> None:
    found = compare(family(), margin=0.5)
    assert {name: one.verdict for name, one in found.items()} == {
        "good": "better", "bad": "worse", "same": "equivalent", "open": "undecided",
    }  # fmt: skip
    assert {name for name, one in found.items() if one.more_seeds is not None} == {"open"}


def test_a_comparison_holds_what_the_tests_say() -> None:
    differences, looks = family(24), {"good": 1, "bad": 3, "same": 2, "open": 1}
    found = compare(differences, margin=0.5, looks=looks)
    p = {name: paired.sign_flip_p(d) for name, d in differences.items()}
    adjusted = dict(zip(p, paired.holm([min(1, p[name] * look_factor(looks[name])) for name in p]), strict=True))
    same = paired.holm([min(1, paired.tost_p(d, 0.5) * look_factor(looks[name])) for name, d in differences.items()])
    assert [one.p_equivalent for one in found.values()] == same.tolist()
    for name, d in differences.items():
        one = found[name]
        assert (one.n, one.mean, one.sd) == (24, pytest.approx(d.mean()), pytest.approx(d.std(ddof=1)))
        assert ((one.low, one.high), one.bca) == (t_interval(d), paired.bca_interval(d))
        assert (one.p, one.p_adjusted, one.look) == (p[name], adjusted[name], looks[name])
        assert (one.effect_size, one.better_in) == (paired.effect_size(d), paired.probability_better(d))


def test_swapping_loss_and_baseline_swaps_better_and_worse() -> None:
    swap = {"better": "worse", "worse": "better"}
    found, mirrored = compare(family(), 0.5), compare({name: -d for name, d in family().items()}, 0.5)
    for name, one in found.items():
        other = mirrored[name]
        assert other.verdict == swap.get(one.verdict, one.verdict)
        assert (other.p, other.p_adjusted, other.p_equivalent) == (one.p, one.p_adjusted, one.p_equivalent)
        assert (other.mean, other.low, other.high, other.more_seeds) == (-one.mean, -one.high, -one.low, one.more_seeds)


def test_a_difference_is_told_before_equivalence() -> None:
    tiny = 0.01 + 0.001 * np.random.default_rng(0).normal(size=12)
    one = compare({"tiny": tiny}, margin=1)["tiny"]
    assert one.verdict == "better"
    assert one.p_equivalent < ALPHA


def test_without_a_margin_nothing_is_equivalent() -> None:
    found = compare(family(), margin=None)
    assert found["same"].verdict == "undecided"
    assert all(math.isnan(one.p_equivalent) for one in found.values())


def test_more_comparisons_and_more_looks_ask_for_more() -> None:
    d = np.random.default_rng(4).normal(0.9, 1, 12)
    noise = {f"noise {i}": np.random.default_rng(i).normal(size=12) for i in range(8)}
    alone, among = compare({"d": d}, None)["d"], compare({"d": d, **noise}, None)["d"]
    again = compare({"d": d}, None, {"d": 2})["d"]
    assert alone.p == alone.p_adjusted < among.p_adjusted
    assert again.p_adjusted == pytest.approx(10 * alone.p)
    assert (alone.verdict, again.verdict) == ("better", "undecided")


def test_losses_may_have_different_seeds() -> None:
    found = compare({"many": family(24)["good"], "few": family(5)["good"], "one": np.ones(1)}, 0.5)
    assert [one.n for one in found.values()] == [24, 5, 1]
    assert [one.reachable for one in found.values()] == [True, False, False]
    assert found["few"].verdict == "undecided"


@pytest.mark.parametrize("seed", range(4))
def test_p_and_verdict_agree_whatever_the_number_of_seeds(seed: int) -> None:
    stream = np.random.default_rng(seed)
    for _ in range(25):
        shapes = zip(stream.integers(2, 14, 5), stream.normal(0, 3, 5), strict=True)
        differences = {str(k): stream.normal(mean, 1, n) for k, (n, mean) in enumerate(shapes)}
        looks = {name: int(stream.integers(1, 3)) for name in differences}
        for name, one in compare(differences, None, looks).items():
            assert (one.p_adjusted < ALPHA) == (one.verdict in ("better", "worse"))
            assert one.p_adjusted >= min(1, one.p * look_factor(looks[name]))
            if not one.reachable:
                assert one.p_adjusted >= min(1, 5 * one.p * look_factor(looks[name]))


def test_a_single_seed_is_undecided() -> None:
    one = compare({"loss": np.array([0.3])}, margin=0.5)["loss"]
    assert (one.n, one.mean, one.p, one.p_adjusted, one.verdict) == (1, 0.3, 1, 1, "undecided")
    assert all(map(math.isnan, (one.sd, one.low, one.high, one.p_equivalent, one.effect_size)))
    assert (one.bca, one.more_seeds, one.reachable, one.better_in[0]) == (None, None, False, 1)


def test_a_single_seed_counts_as_a_comparison() -> None:
    d = family()["same"]
    with_one, alone = compare({"d": d, "one": np.ones(1)}, 0.5)["d"], compare({"d": d}, 0.5)["d"]
    assert with_one.p_equivalent == pytest.approx(2 * alone.p_equivalent)


@pytest.mark.parametrize(
    ("value", "n", "verdict"), [(0.1, 6, "better"), (-0.1, 6, "worse"), (0.1, 5, "undecided"), (0.9, 5, "undecided")]
)
def test_constant_differences(value: float, n: int, verdict: str) -> None:
    one = compare({"loss": np.full(n, value)}, margin=0.5)["loss"]
    assert (one.verdict, one.sd, one.low, one.high) == (verdict, 0, one.mean, one.mean)
    # 6 seeds: with 5 nothing can be decided, so the look does not count.
    assert one.more_seeds == (1 if verdict == "undecided" else None)


def test_equal_scores_are_equivalent_or_stay_undecided() -> None:
    assert compare({"loss": np.zeros(8)}, 0.5)["loss"].verdict == "equivalent"
    assert astuple(compare({"loss": np.zeros(8)}, None)["loss"])[-3:] == ("undecided", None, True)


def test_an_empty_family_is_no_family() -> None:
    assert compare({}, 0.5) == {}
    assert decide([], [], [], [], []) == []


def test_least_seeds_are_where_a_loss_that_always_wins_is_better() -> None:
    assert [least_seeds(m) for m in (1, 6, 9)] == [6, 8, 9]
    for m in (1, 3, 9):
        for look in (1, 2, 3):
            least = least_seeds(m, look)
            verdicts = [
                compare({str(i): np.ones(n) for i in range(m)}, None, {str(i): look for i in range(m)})["0"]
                for n in (least - 1, least)
            ]
            assert [(one.verdict, one.reachable) for one in verdicts] == [("undecided", False), ("better", True)]


def test_all_looks_together_stay_at_6_percent() -> None:
    assert [look_factor(k) for k in range(1, 6)] == [1, 10, 20, 40, 80]
    assert sum(ALPHA / look_factor(k) for k in range(1, 60)) <= 0.06 + 1e-12


def test_too_many_looks_are_said_to_be_out_of_reach() -> None:
    d = np.random.default_rng(0).normal(5, 1, 30)
    one = compare({"loss": d}, None, {"loss": 12})["loss"]
    assert (one.verdict, one.more_seeds, one.reachable) == ("undecided", None, False)


@pytest.mark.parametrize("look", [0, -1])
def test_looks_are_counted_from_1(look: int) -> None:
    for call in (
        lambda: look_factor(look),
        lambda: least_seeds(1, look),
        lambda: compare({"a": np.ones(3)}, None, {"a": look}),
    ):
        with pytest.raises(ValueError, match="look must"):
            call()
    with pytest.raises(ValueError, match="look"):
        more_seeds(0, 1, 12, None, 1, look)


@pytest.mark.parametrize("d", [np.array([]), np.ones((2, 2)), np.array([1, math.nan])])
def test_wrong_differences_are_refused(d: np.ndarray) -> None:
    with pytest.raises(ValueError, match="values must"):
        compare({"fine": np.ones(3), "wrong": d}, None)


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        compare({"one seed": np.ones(1)}, margin)


@pytest.mark.parametrize("looks", [{}, {"a": 1, "b": 1}, {"b": 1}])
def test_looks_name_every_comparison(looks: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="looks must name"):
        compare({"a": np.ones(3)}, None, looks)
