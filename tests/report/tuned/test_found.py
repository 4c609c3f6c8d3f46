"""Tuned studies have reports of their own, wherever they are named; plain runs beside them are compared as ever."""

from pathlib import Path

import pytest
from made_runs import make_arm
from made_tuned import make_tuned, peak

from lossbench import api
from lossbench.cli.report import main
from lossbench.errors import UserError
from lossbench.report.tuned.found import find_all
from lossbench.report.tuned.report import TunedComparison
from lossbench.tuning.study import Tuned

LOSSES = {"cross_entropy": peak(0.85), "power": peak(0.95)}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A tuned study, beside which there are plain runs."""
    runs = tmp_path_factory.mktemp("runs")
    for loss in LOSSES:
        make_arm(runs / "plain", loss, [0.8, 0.9, 0.85])
    return make_tuned(runs, LOSSES)


def test_a_tuned_study_is_found_from_above_from_within_and_by_its_name(tuned: Tuned) -> None:
    runs = tuned.study.parent
    folders = (tuned.study, tuned.folder, next(tuned.study.glob("*/replicate0")), runs / "made")
    for folder in folders:
        found = find_all([folder])
        assert ([each.folder for each in found.tuned], found.records) == ([tuned.folder], [])
    above = find_all([runs, tuned.study])
    assert [each.folder for each in above.tuned] == [tuned.folder]
    assert {record.study.name for record in above.records} == {"plain"}


def test_of_several_plans_one_can_be_named_by_its_folder(tmp_path: Path) -> None:
    plans = [make_tuned(tmp_path, LOSSES, trials=trials) for trials in (8, 16)]
    assert len(find_all([plans[0].study]).tuned) == 2
    for plan in plans:
        (found,) = find_all([plan.folder]).tuned
        assert found.plan.hash == plan.plan.hash
        compared = api.compare(plan.folder)
        assert {row["trials"] for row in compared.rows} == {plan.plan.trials}


def test_both_kinds_get_reports(tuned: Tuned, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tuned.study.parent), "--out", str(tmp_path)])
    assert (tmp_path / tuned.plan.folder / "trials.csv").is_file()
    assert (tmp_path / "runs" / "report.html").is_file()
    printed = capsys.readouterr().out
    assert "tuned with 8 trials in each replicate, against cross_entropy" in printed
    assert "paired by seed against cross_entropy" in printed


def test_compare_gives_the_fair_fight_as_an_object(tuned: Tuned) -> None:
    compared = api.compare(tuned.study)
    assert isinstance(compared, TunedComparison)
    assert compared.verdicts["power"] == "better"
    assert {row["arm"]: row["trials"] for row in compared.rows}["power"] == 8
    with pytest.raises(UserError, match="2 comparisons, of which compare"):
        api.compare(tuned.study.parent)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("cross_entropy (twin)", "baseline=cross_entropy .twin. does not exist; did you mean cross_entropy"),
        ("powr", "baseline=powr does not exist; did you mean power"),
    ],
)
def test_the_twin_is_no_baseline_and_a_mistyped_row_is_one_line(tuned: Tuned, baseline: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        api.compare(tuned.study, baseline=baseline)


def test_another_baseline_can_be_asked_for(tuned: Tuned) -> None:
    compared = api.compare(tuned.study, baseline="power")
    assert compared.verdicts["cross_entropy"] == "worse"
    assert "error control" not in compared.headline
