"""scripts/pools.py: disjoint pools, and how often their verdicts agree."""

import csv
from pathlib import Path

import pytest

from lossbench.errors import UserError
from scripts import pools


def test_pools_are_disjoint_and_have_the_same_share_of_each_class(tmp_path: Path) -> None:
    for k in range(14):
        for part, label in (("train", "cat"), ("test", "cat"), ("train", "dog")):
            place = tmp_path / "all" / part / label / f"{k}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(f"{part} {label} {k}".encode())
    pools.cut(tmp_path / "all", tmp_path / "cut", 7, seed=0)
    found = [sorted((tmp_path / "cut" / str(k)).rglob("*.png")) for k in range(7)]
    assert [[path.parent.name for path in pool] for pool in found] == [["cat"] * 4 + ["dog"] * 2] * 7
    assert len({path.read_bytes() for pool in found for path in pool}) == 42
    with pytest.raises(UserError, match="cut exists; name a new folder"):
        pools.cut(tmp_path / "all", tmp_path / "cut", 7, seed=0)


def test_agreement_counts_ordered_pairs_of_pools(tmp_path: Path) -> None:
    columns = ("arm", "difference_verdict", "difference_mean", "difference_low", "difference_high")
    words = [("better", 0.02, 0.01, 0.03), ("worse", -0.02, -0.03, -0.01), ("undecided", 0.0, -0.05, 0.05)]
    paths = []
    for k, found in enumerate(words):
        paths.append(tmp_path / f"{k}.csv")
        with open(paths[-1], "w", newline="") as file:
            csv.writer(file).writerows([columns, ("cross_entropy", "", "", "", ""), ("power", *found)])
    lines = pools.agreement([pools.read_verdicts(path) for path in paths])
    # Two of three pools decide, each against two others; only the third interval holds the mean of the others, 0.
    assert "contradicted on another: 50.0% (2 of 4)" in lines[1]
    assert "not found on another: 100.0% (4 of 4)" in lines[2]
    assert "other pools: 33.3% (1 of 3)" in lines[3]
    assert lines[4].endswith("2.33 points")
    with pytest.raises(UserError, match="two pools or more"):
        pools.agreement([pools.read_verdicts(paths[0])])
