"""Ranges that were too narrow: when they are, what may not be said then, and what to type for a wider one."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_tuned import RATE, make_tuned, peak

from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tuned.comparison import find_fair_fight
from lossbench.report.tuned.edges import Edge, barred_words
from lossbench.report.verdicts import without


@pytest.mark.parametrize(
    ("low", "high", "narrow", "wider"),
    [
        (0, 3, False, "search.lr=[0.0001,10]"),
        (0, 4, True, "search.lr=[0.0001,10]"),
        (2, 2, True, "search.lr=[1e-05,10]"),
        (4, 0, True, "search.lr=[1e-05,1]"),
    ],
)
def test_more_than_a_quarter_of_the_replicates_make_a_range_too_narrow(
    low: int, high: int, narrow: bool, wider: str
) -> None:
    edge = Edge(RATE, low, high, of=12)
    assert (edge.is_narrow, edge.wider) == (narrow, wider)
    assert edge.words.endswith("of 12 replicates")


def test_no_wider_range_is_advised_for_numbers_that_rules_of_the_loss_bound() -> None:
    assert Edge(replace(RATE, key="loss.q"), 0, 12, 12).wider == ""
    assert Edge(replace(RATE, scale="linear"), 0, 12, 12).wider == ""


def test_words_are_barred_of_the_narrow_loss_or_of_all_but_the_twin(tmp_path: Path) -> None:
    plan = make_tuned(tmp_path, {"cross_entropy": peak(), "power": peak(), "focal": peak()}, replicates=[]).plan
    assert barred_words(plan, ["power"], "cross_entropy") == {"power": {"worse"}}
    better = {"better"}
    assert barred_words(plan, ["cross_entropy"], "cross_entropy") == {"power": better, "focal": better}
    assert barred_words(plan, ["cross_entropy (twin)"], "cross_entropy") == {}


def test_a_barred_word_leaves_the_interval_and_takes_slightly_with_it(tmp_path: Path) -> None:
    losses = {"cross_entropy": peak(), "power": peak(0.8)}
    pair = find_fair_fight(make_tuned(tmp_path, losses, replicates=range(10))).comparison.paired["power"]
    assert pair.verdict == "worse"
    barred = without(pair, {"worse"})
    assert (barred.verdict, barred.low, barred.high) == ("undecided", pair.low, pair.high)
    assert without(pair, {"better"}) == pair
    slight: PairedComparison = replace(pair, verdict="equivalent", qualifier="slightly worse")
    assert without(slight, {"worse"}) == replace(slight, qualifier=None)
    assert without(slight, {"better"}) == slight
