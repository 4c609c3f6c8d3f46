"""Verdicts follow their rules; what a study may claim is in test_error_rates.py."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lossbench.report.stats import paired
from lossbench.report.stats.collapse import collapse_bound
from lossbench.report.stats.sequential import ALPHA, look_factor
from lossbench.report.stats.sign_flip import sign_flip_p
from lossbench.report.stats.verdict import Differences, PairedComparison, judge


def of(d: np.ndarray | list[float], first: int = 0) -> Differences:
    return Differences(np.arange(first, first + len(d)), np.asarray(d, dtype=float))


def family(n: int = 12) -> dict[str, Differences]:
    noise = np.random.default_rng(1).normal(0, 1, (n, 4)) * [1, 1, 0.1, 1] + [3, -3, 0, 0.4]
    return {name: of(d) for name, d in zip(("good", "bad", "same", "open"), noise.T, strict=True)}


def one(d: np.ndarray | list[float], margin: float | None = None, look: int = 1) -> PairedComparison:
    return judge({"loss": of(d)}, margin, design="split", look=look)["loss"]


def test_a_family_gets_the_four_verdicts() -> None:
    found = judge(family(), 0.5, design="split")
    assert {name: pair.verdict for name, pair in found.items()} == {
        "good": "better", "bad": "worse", "same": "equivalent", "open": "undecided",
    }  # fmt: skip
    assert {name for name, pair in found.items() if pair.more is not None} == {"open"}


def test_one_comparison_is_a_paired_t_test_with_its_interval() -> None:
    d = np.random.default_rng(3).normal(0.6, 1, 15)
    pair, se = one(d, 3.0), d.std(ddof=1) / math.sqrt(15)
    assert (pair.n, pair.mean, pair.sd, pair.se, pair.df) == pytest.approx((15, d.mean(), d.std(ddof=1), se, 14))
    assert (pair.low, pair.high) == pytest.approx((d.mean() - 2.144787 * se, d.mean() + 2.144787 * se))
    assert (pair.p_sign_flip, pair.effect_size) == (sign_flip_p(d), paired.effect_size(d))
    assert (pair.better_in, pair.look) == (paired.probability_better(d), 1)
    assert (pair.nadeau_bengio, pair.var_examples) == (None, 0)


def test_swapping_loss_and_baseline_swaps_better_and_worse() -> None:
    swap = {"better": "worse", "worse": "better"}
    given = family()
    found = judge(given, 0.5, design="split")
    mirrored = judge({name: replace(d, means=-d.means) for name, d in given.items()}, 0.5, design="split")
    for name, pair in found.items():
        other = mirrored[name]
        assert other.verdict == swap.get(pair.verdict, pair.verdict)
        assert (other.p, other.p_adjusted, other.p_equivalent) == (pair.p, pair.p_adjusted, pair.p_equivalent)
        assert (other.mean, other.low, other.high, other.more) == (-pair.mean, -pair.high, -pair.low, pair.more)


def test_equivalence_is_told_before_a_difference() -> None:
    noise = 0.001 * np.random.default_rng(0).normal(size=12)
    assert (one(0.01 + noise, 1).verdict, one(0.01 + noise, 1).qualifier) == ("equivalent", "slightly better")
    assert (one(-0.01 + noise, 1).verdict, one(-0.01 + noise, 1).qualifier) == ("equivalent", "slightly worse")
    assert (one(noise, 1).verdict, one(noise, 1).qualifier) == ("equivalent", None)
    assert (one(0.01 + noise, 0.0101).verdict, one(0.01 + noise, 0.0105).qualifier) == ("better", "slightly better")
    assert (one(0.01 + noise, 0.002).verdict, one(0.01 + noise, 0.002).qualifier) == ("better", None)


def test_without_a_margin_nothing_is_equivalent() -> None:
    found = judge(family(), None, design="split")
    assert found["same"].verdict == "undecided"
    assert all(math.isnan(pair.p_equivalent) for pair in found.values())
    assert all(pair.qualifier is None for pair in found.values())


def test_more_comparisons_and_more_looks_ask_for_more() -> None:
    d = np.random.default_rng(4).normal(0.9, 1, 12)
    noise = {f"noise {i}": of(np.random.default_rng(i).normal(size=12)) for i in range(8)}
    alone, among = one(d), judge({"d": of(d), **noise}, None, design="split")["d"]
    planned = judge({"d": of(d)}, None, design="split", family=9)["d"]
    assert alone.p_adjusted == max(alone.p, alone.p_sign_flip) < among.p_adjusted <= 9 * alone.p
    assert alone.p_adjusted < planned.p_adjusted
    assert (alone.verdict, one(d, look=2).verdict) == ("better", "undecided")
    assert one(d, look=2).p_adjusted == pytest.approx(10 * alone.p_adjusted)
    assert one(d, look=2).low < 0 < alone.low


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_examples", [False, True])
def test_words_and_intervals_agree(seed: int, with_examples: bool) -> None:
    stream, margin = np.random.default_rng(seed), 0.8
    for _ in range(12):
        differences: dict[str, Differences] = {}
        for k in range(6):
            n, mean, scale = stream.integers(1, 14), stream.normal(0, 1.2), stream.choice([0.0, 0.3, 1.0])
            h = mean + scale * stream.normal(size=(n, 1)) + stream.normal(size=40) + stream.normal(size=(n, 40))
            units = np.sort(stream.choice(16, n, replace=False))
            differences[str(k)] = Differences(units, h.mean(1), h if with_examples else None)
        looks = {name: int(stream.integers(1, 3)) for name in differences}
        for name, pair in judge(differences, margin, design="published", look=looks).items():
            agrees(pair, margin)
            assert pair.p_adjusted >= min(1, pair.p * look_factor(looks[name]))


def agrees(pair: PairedComparison, margin: float) -> None:
    """The law: what a word says, its interval says; where nothing can be decided, that is why."""
    assert (pair.p_adjusted < ALPHA) == (pair.verdict in ("better", "worse") or pair.qualifier is not None)
    if not pair.reachable:
        assert pair.verdict == "undecided"
        return
    assert pair.low <= pair.mean <= pair.high or pair.verdict == "equivalent"
    inside = -margin <= pair.low <= pair.high <= margin
    said = {
        "better": pair.low >= 0 and not inside,
        "worse": pair.high <= 0 and not inside,
        "equivalent": inside,
        "undecided": pair.low <= 0 <= pair.high and not inside,
    }
    assert said[pair.verdict], pair


def test_thirty_losses_on_six_units_and_copies_of_one_are_a_family() -> None:
    noise = np.random.default_rng(2).normal(size=(6, 30))
    found = judge({str(k): of(d) for k, d in enumerate(noise.T)}, 1.0, design="split")
    assert all(pair.p <= pair.p_adjusted <= 1 for pair in found.values())
    copies = judge({str(k): of(noise[:, 0] + 1.5) for k in range(30)}, 1.0, design="split")
    alone = one(noise[:, 0] + 1.5, 1.0)
    for pair in copies.values():
        assert (pair.verdict, pair.low) == (alone.verdict, pytest.approx(alone.low, abs=0.1 * alone.se))


def test_losses_may_have_different_units() -> None:
    given = {"many": family(24)["good"], "few": family(5)["good"], "one": of([1.0])}
    found = judge(given, 0.5, design="split")
    assert [pair.n for pair in found.values()] == [24, 5, 1]
    assert [pair.reachable for pair in found.values()] == [True, False, False]
    assert found["few"].verdict == "undecided"


def test_a_single_unit_is_undecided_and_counts_as_a_comparison() -> None:
    pair = one([0.3], 0.5)
    assert (pair.n, pair.mean, pair.p, pair.p_adjusted, pair.verdict) == (1, 0.3, 1, 1, "undecided")
    assert all(map(math.isnan, (pair.sd, pair.se, pair.df, pair.low, pair.high, pair.p_equivalent, pair.effect_size)))
    assert (pair.more, pair.reachable, pair.better_in[0]) == (None, False, 1)
    d = family()["open"]
    with_one, alone = (judge(g, 0.5, design="split")["d"] for g in ({"d": d, "one": of([1.0])}, {"d": d}))
    assert with_one.p_adjusted > alone.p_adjusted


@pytest.mark.parametrize(
    ("value", "n", "verdict"), [(0.6, 6, "better"), (-0.6, 6, "worse"), (0.9, 5, "undecided"), (0.1, 6, "equivalent")]
)
def test_constant_differences(value: float, n: int, verdict: str) -> None:
    pair = one([value] * n, margin=0.5)
    assert (pair.verdict, pair.sd, pair.low, pair.high) == (verdict, 0, pair.mean, pair.mean)
    if verdict == "undecided":
        assert pair.more is not None
        assert (pair.more.low, pair.more.kind) == (1, "units")


def test_equal_scores_are_equivalent_or_stay_undecided() -> None:
    assert one([0.0] * 8, 0.5).verdict == "equivalent"
    pair = one([0.0] * 8)
    assert (pair.verdict, pair.p, pair.low, pair.high) == ("undecided", 1, 0, 0)


def test_equivalent_comes_with_what_it_cannot_exclude() -> None:
    found = judge(family(8), 0.5, design="split", collapsed={"bad": 2})
    assert (found["same"].collapsed, found["same"].collapse_bound) == (0, pytest.approx(1 - 0.05 ** (1 / 8)))
    assert (found["bad"].collapsed, found["bad"].collapse_bound) == (2, collapse_bound(2, 8))


def test_folds_have_nadeau_and_bengios_interval_as_a_second_line() -> None:
    d = np.random.default_rng(0).normal(size=10)
    pair = judge({"loss": of(d)}, None, design="folds", test_per_train=1 / 3)["loss"]
    half = 2.262157 * d.std(ddof=1) * math.sqrt(1 / 10 + 1 / 3)
    assert pair.nadeau_bengio == pytest.approx((d.mean() - half, d.mean() + half))
    assert (pair.low, pair.high) == pytest.approx(pair.nadeau_bengio)


def test_an_empty_family_is_no_family() -> None:
    assert judge({}, 0.5, design="split") == {}


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        one([1.0], margin)


@pytest.mark.parametrize("looks", [{}, {"a": 1, "b": 1}, {"b": 1}])
def test_looks_name_every_comparison(looks: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="looks must name"):
        judge({"a": of([1.0, 2, 3])}, None, design="split", look=looks)


def test_a_family_holds_its_comparisons() -> None:
    with pytest.raises(ValueError, match="family must"):
        judge({"a": of([1.0, 2]), "b": of([1.0, 2])}, None, design="split", family=1)
