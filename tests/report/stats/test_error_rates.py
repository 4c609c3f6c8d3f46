"""How often whole studies are wrong: simulated losses through the same functions as real ones."""

import math
from dataclasses import replace

import numpy as np
import pytest
from simulate_studies import (
    EXAMPLES,
    NOISES,
    SD,
    Study,
    coverage,
    false_claims,
    found,
    has_claim,
    is_claim,
    with_examples,
    without_examples,
)

from lossbench.report.stats.differences import Design, Differences
from lossbench.report.stats.sequential import reachable
from lossbench.report.stats.verdict import judge

DIFFERENCE = SD * math.sqrt(2)  # standard deviation of a paired difference


def at_most(share: float, repeats: int) -> float:
    """The largest share that this many studies may show by chance (three standard errors)."""
    return share + 3 * math.sqrt(share * (1 - share) / repeats)


@pytest.mark.parametrize("noise", NOISES)
def test_equal_losses_seldom_differ(noise: str) -> None:
    stream = np.random.default_rng(1)
    for R, m, repeats in ((6, 1, 400), (8, 6, 300), (12, 6, 300)):
        rate = false_claims(lambda g, R=R, m=m: without_examples(noise, R, m, g), repeats, stream)
        print(f"{noise}: {m} equal losses, {R} units: a false claim in {rate:.4f} of {repeats} studies")
        assert rate <= at_most(0.05, repeats)


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_thirty_equal_losses_seldom_differ(noise: str) -> None:
    stream = np.random.default_rng(2)
    for R, m in ((6, 30), (12, 30), (40, 30), (40, 6)):
        rate = false_claims(lambda g, R=R, m=m: without_examples(noise, R, m, g), 250, stream)
        print(f"{noise}: {m} equal losses, {R} units: a false claim in {rate:.4f} of 250 studies")
        assert rate <= at_most(0.05, 250)


@pytest.mark.parametrize(("design", "R"), [("folds", 10), ("published", 8), ("split", 20)])
def test_losses_that_are_equal_on_new_examples_seldom_differ(design: Design, R: int) -> None:
    rate = false_claims(lambda g: with_examples(design, R, 4, g), 200, np.random.default_rng(3), design)
    print(f"{design}: 4 losses, {R} units of {EXAMPLES} examples: a false claim in {rate:.4f} of 200 studies")
    assert rate <= at_most(0.05, 200)


def test_units_alone_would_be_wrong_on_new_examples() -> None:
    """The same studies without their differences by example, as a verdict about one test set has them."""
    stream, wrong = np.random.default_rng(4), 0
    for _ in range(60):
        study = with_examples("published", 20, 4, stream)
        wrong += has_claim({label: replace(one, examples=None) for label, one in study.items()}, "published")
    assert wrong / 60 > 0.3


def test_losses_without_some_units_are_judged_with_the_others() -> None:
    def make(stream: np.random.Generator) -> Study:
        study = without_examples("Gaussian", 14, 6, stream)
        kept = {label: np.sort(stream.permutation(14)[: stream.integers(6, 15)]) for label in study}
        return {label: Differences(kept[label], one.means[kept[label]]) for label, one in study.items()}

    assert false_claims(make, 300, np.random.default_rng(5)) <= at_most(0.05, 300)


def test_whoever_looks_after_every_unit_is_seldom_wrong() -> None:
    stream, paid, free = np.random.default_rng(6), 0, 0
    for _ in range(150):
        whole = without_examples("Gaussian", 24, 3, stream)
        look, said, unpaid = 1, False, False
        for R in range(6, 25):
            study = {label: Differences(one.units[:R], one.means[:R]) for label, one in whole.items()}
            said |= has_claim(study, look=look)
            unpaid |= has_claim(study)
            look += reachable(R, look)
        paid, free = paid + said, free + unpaid
    print(f"looks at 6, 7, ... 24 units: a false claim in {paid / 150:.4f} of 150 studies, {free / 150:.4f} unpaid")
    assert paid / 150 <= at_most(0.06, 150)
    assert free / 150 > 0.12


@pytest.mark.parametrize(
    ("R", "m", "shift", "least"),
    [
        (8, 6, 1.5, 0.74),
        pytest.param(8, 9, 1.5, 0.66, marks=pytest.mark.slow),
        pytest.param(10, 30, 1.5, 0.71, marks=pytest.mark.slow),
        pytest.param(12, 6, 1.0, 0.64, marks=pytest.mark.slow),
        pytest.param(15, 6, 1.0, 0.80, marks=pytest.mark.slow),
    ],
)
def test_a_better_loss_is_found(R: int, m: int, shift: float, least: float) -> None:
    stream, repeats = np.random.default_rng((R, m)), 200
    share = found(lambda g: without_examples("Gaussian", R, m, g, shift * DIFFERENCE), repeats, stream)
    print(f"{m} losses, {R} units, a difference of {shift} sd: found in {share:.4f} of {repeats} studies")
    assert share >= 2 * least - at_most(least, repeats)


@pytest.mark.parametrize("side", [1, -1])
def test_losses_a_margin_apart_are_seldom_equivalent(side: int) -> None:
    stream, wrong = np.random.default_rng(8), 0
    for _ in range(150):
        study = without_examples("Gaussian", 12, 4, stream)
        apart = {label: replace(one, means=one.means + side * 2 * DIFFERENCE) for label, one in study.items()}
        words = {one.verdict for one in judge(apart, 2 * DIFFERENCE, design="split").values()}
        wrong += "equivalent" in words
    print(f"4 losses just a margin apart, 12 units: one called equivalent in {wrong / 150:.4f} of 150 studies")
    assert wrong / 150 <= at_most(0.05, 150)


@pytest.mark.parametrize("noise", ["Gaussian", "unequal"])
def test_all_intervals_of_a_study_hold_together(noise: str) -> None:
    shifts = np.array([0, 0, 0.5, 1, 3]) * DIFFERENCE
    share = coverage(noise, 10, shifts, DIFFERENCE, 200, np.random.default_rng(9))
    print(f"{noise}: all 5 intervals hold in {share:.4f} of 200 studies")
    assert 1 - share <= at_most(0.05, 200)


@pytest.mark.parametrize("R", [6, 12])
def test_an_equivalence_that_collapses_may_break_is_said_with_its_bound(R: int) -> None:
    """A loss that loses 30 points on 5 % of its runs is -1.5 points on average, outside the margin of one point."""
    stream, rate, said = np.random.default_rng(R), 0.05, []
    for _ in range(100):
        collapsed = stream.random(R) < rate
        d = 0.002 * stream.normal(size=R) - 0.3 * collapsed
        one = judge(
            {"loss": Differences(np.arange(R), d)}, 0.01, design="split", collapsed={"loss": int(collapsed.sum())}
        )["loss"]
        if one.verdict == "equivalent":
            said.append((one.collapsed, one.collapse_bound))
    assert len(said) > 40
    assert all(k == 0 and bound > rate for k, bound in said)


def test_studies_are_passed_over_only_where_nothing_could_be_claimed() -> None:
    stream = np.random.default_rng(10)
    for _ in range(40):
        study = without_examples("Gaussian", 8, 4, stream, DIFFERENCE)
        assert has_claim(study) == any(map(is_claim, judge(study, None, design="split").values()))
