"""Verdicts of several data sets together: each counts once, in its own unit and direction."""

import math
from pathlib import Path

import pytest
from made_runs import make_arm, read

from lossbench.errors import UserError
from lossbench.report.across.data_sets import DataSet, LossVerdict, read_data_sets
from lossbench.report.across.findings import compare_across
from lossbench.report.across.publish import publish_across
from lossbench.report.across.sentences import sentences
from lossbench.report.across.tables import named
from lossbench.report.publish import publish_all
from lossbench.report.spec import ComparisonSpec

HEAD = "arm,loss,hash,metric,baseline,n,mean,difference_n,difference_mean,difference_low,difference_high,"
HEAD += "difference_verdict,difference_qualifier"


def data_set(name: str, better: float = 0.01, metric: str = "test/accuracy", **more: float) -> DataSet:
    differences = {"good": better, "same": 0.0, **more}
    losses = {loss: LossVerdict(0.9 + d, d, d - 0.01, d + 0.01, "undecided", 12) for loss, d in differences.items()}
    losses["base"] = LossVerdict(0.9, 0.0, math.nan, math.nan, "baseline", 12)
    return DataSet(name, metric, "base", losses)


def write(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "verdict.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    return folder


BASE = "base,base,1,test/accuracy,True,12,0.9,,,,,"
GOOD = "good,good,2,test/accuracy,False,12,0.95,12,0.05,0.02,0.08,better"
TWIN = "base (twin),base,3,test/accuracy,False,12,0.9,12,0,-0.01,0.01,equivalent"


def test_a_large_difference_on_one_data_set_counts_as_one() -> None:
    across = compare_across([*(data_set(str(k)) for k in range(7)), data_set("large", -0.5)])
    good = across.of_loss["good"]
    assert (good.wins, good.losses) == (7, 1)
    assert good.p == pytest.approx(0.0703, abs=1e-4)
    assert next(iter(across.of_loss)) == "good"
    assert across.of_loss["same"].p_adjusted == 1
    assert across.of_loss["same"].rank == across.of_loss["base"].rank == pytest.approx((7 * 2.5 + 1.5) / 8)


def test_of_a_metric_that_should_be_low_less_is_a_win(tmp_path: Path) -> None:
    for k in range(6):  # accuracies of which the lower has the higher nll
        for loss, accuracy in {"cross_entropy": 0.90, "power": 0.95}.items():
            make_arm(tmp_path / str(k), loss, [accuracy, accuracy + 0.01, accuracy])
        publish_all(read(tmp_path / str(k)), ComparisonSpec(metric="test/nll"))
    across = compare_across(read_data_sets([tmp_path / str(k) for k in range(6)]))
    assert (across.of_loss["power"].wins, across.of_loss["power"].losses) == (6, 0)
    assert [*across.of_loss] == ["power", "cross_entropy"]
    assert "above cross_entropy: power (6 of 6, p 0.031)" in " ".join(sentences(across))


def test_losses_that_some_data_sets_lack_are_left_out_and_named() -> None:
    across = compare_across([data_set("a", extra=0.5), data_set("b")])
    assert across.left_out == ["extra"]
    assert "extra" not in across.of_loss
    said = " ".join(sentences(across))
    assert "2 data sets can decide nothing across data sets: a sign test needs 6 at least" in said
    assert "extra" in said


def test_reports_are_found_and_a_twin_is_no_loss(tmp_path: Path) -> None:
    write(tmp_path / "runs/digits.tuned/reports/digits-mlp-1", BASE, f"{GOOD},slightly better", TWIN)
    write(tmp_path / "copy/pets", BASE, GOOD)
    found = read_data_sets([tmp_path / "runs/digits", tmp_path / "copy/pets/verdict.csv"])
    assert [each.name for each in found] == ["digits", "pets"]
    assert set(found[0].losses) == {"base", "good"}
    assert found[0].losses["good"] == LossVerdict(0.95, 0.05, 0.02, 0.08, "better", 12, slightly=True)
    assert named(found[0], "better") == ["good +5.00 (slightly)"]
    assert named(found[1], "better") == ["good +5.00"]
    publish_across(found, tmp_path / "out")
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == [
        "data_sets.csv", "data_sets.md", "figures.json", "figures/ranks.pdf", "figures/ranks.svg", "losses.csv",
        "losses.md",
    ]  # fmt: skip


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one", BASE, GOOD)
    other = write(tmp_path / "other", GOOD.replace("False", "True"))
    for paths, message in {
        (one, one): "two data sets are called one",
        (one, other): r"the baselines differ: base \(one\), good \(other\)",
        (one, write(tmp_path / "none", GOOD)): "is no table of verdicts with one baseline",
        (write(tmp_path / "s/reports/a", BASE).parents[1], one): "no loss but the baseline is in all",
    }.items():
        with pytest.raises(UserError, match=message):
            compare_across(read_data_sets(paths))
    write(tmp_path / "s/reports/b", BASE)
    with pytest.raises(UserError, match="there are 2 reports"):
        read_data_sets([tmp_path / "s"])
    with pytest.raises(UserError, match="name at least two"):
        compare_across(read_data_sets([one]))
