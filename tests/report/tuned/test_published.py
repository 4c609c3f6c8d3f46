"""The files of a fair fight's report: tables of trials, choices and budget, figures, words for a paper."""

import csv
from pathlib import Path

import pytest
from made_tuned import DEFAULT, RATE, make_tuned, peak

from lossbench.report.tuned.budget import budget_table
from lossbench.report.tuned.comparison import find_fair_fight
from lossbench.report.tuned.publish import publish_tuned
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.spaces import Space
from lossbench.tuning.study import Tuned


def fragile(rate: float, replicate: int) -> float | None:
    """Diverges from a learning rate on."""
    return None if rate > 0.2 else peak(0.95, at=0.02)(rate, replicate)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    losses = {"cross_entropy": peak(0.9, at=0.02), "power": fragile, "focal": peak(0.9, at=30.0)}
    return make_tuned(tmp_path_factory.mktemp("runs"), losses, trials=16)


@pytest.fixture(scope="module")
def folder(tuned: Tuned) -> Path:
    return publish_tuned(tuned).parent


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_report_lies_in_a_folder_of_the_plan(tuned: Tuned, folder: Path) -> None:
    assert folder == tuned.study / "reports" / f"digits-mlp-{tuned.plan.hash[:8]}"
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {"after_trials.svg", "trials_optimizer_lr.svg", "chosen_optimizer_lr.pdf"} <= names


def test_every_trial_is_a_row_and_diverged_ones_have_no_score(folder: Path) -> None:
    rows = rows_of(folder / "trials.csv")
    assert len(rows) == 4 * 6 * 16
    first = [row for row in rows if row["trial"] == "1"]
    assert {float(row["optimizer.lr"]) for row in first} == {DEFAULT}
    lost = [row for row in rows if row["outcome"] == "diverged"]
    assert {row["row"] for row in lost} == {"power"}
    assert {row["val/accuracy"] for row in lost} == {""}
    assert all(float(row["optimizer.lr"]) > 0.2 for row in lost)


def test_the_choices_are_those_of_the_winners(tuned: Tuned, folder: Path) -> None:
    rows = rows_of(folder / "chosen.csv")
    assert len(rows) == 4 * 6
    winners = {(name, str(r)): each.winner for r, found in tuned.winners.items() for name, each in found.rows.items()}
    for row in rows:
        winner = winners[row["row"], row["replicate"]]
        assert (row["trial"], float(row["optimizer.lr"])) == (str(winner.trial), winner.settings["optimizer.lr"])
        assert (tuned.study / row["refit"] / "result.json").is_file()
    assert "range too narrow" in (folder / "chosen.md").read_text()


def test_the_budget_is_equal_in_trials_and_steps(tuned: Tuned, folder: Path) -> None:
    rows = rows_of(folder / "budget.csv")
    assert {(row["trials"], row["steps_of_trials"]) for row in rows} == {("96", str(96 * 480))}
    assert {row["row"]: row["diverged_trials"] != "0" for row in rows}["power"]
    table = budget_table(find_fair_fight(tuned).refits)
    assert "every loss has 16 trials of 480 steps in each of 6 replicates" in table.note
    refits = {run["refits"] for run in rows}
    assert all(6 <= int(count) <= 6 * 5 for count in refits)


def test_the_verdicts_at_the_defaults_are_in_the_numbers(folder: Path) -> None:
    rows = {row["arm"]: row for row in rows_of(folder / "verdict.csv")}
    assert rows["focal"]["range_too_narrow"] == "optimizer.lr"
    assert float(rows["focal"]["default_difference_mean"]) < -0.5
    assert rows["cross_entropy (twin)"]["default_difference_mean"] == ""


def test_the_words_for_a_paper_say_how_losses_were_tuned(tuned: Tuned, folder: Path) -> None:
    methods = (folder / "methods.txt").read_text()
    assert (
        "tuned anew in each replicate (0 to 5) with 16 trials of 480 steps (optimizer.lr log-uniform in 0.0001 to 1)"
        in methods
    )
    assert "no trial was tested" in methods
    assert f"The plan, written before the first run, has the SHA-256 {tuned.plan.hash}" in methods
    assert "whose degrees of freedom are the number of repeats less one" in methods  # on folds
    assert f"tuned with 16 trials in each replicate by val/accuracy; plan {tuned.plan.hash[:12]}." in (
        folder / "verdict.tex"
    ).read_text().replace("\\_", "_").replace("{}", "")


def test_a_report_of_the_same_winners_is_the_same_file_for_file(tuned: Tuned, folder: Path, tmp_path: Path) -> None:
    publish_tuned(tuned, folder=tmp_path)
    for path in folder.glob("*.csv"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_an_own_number_has_figures_and_rows(tmp_path: Path) -> None:
    own = Dimension("loss.q", 0.1, 1.0, "linear", "made")
    losses = {"cross_entropy": peak(), "power": peak()}
    tuned = make_tuned(tmp_path, losses, trials=16, replicates=range(3), space=Space((RATE,), (own,)))
    folder = publish_tuned(tuned, folder=tmp_path / "out").parent
    assert {"trials_loss_q.svg", "chosen_loss_q.svg"} <= {path.name for path in (folder / "figures").iterdir()}
    table = (folder / "chosen.md").read_text()
    assert table.count("loss.q") == 3
    assert "0.1 to 1 (uniform)" in table
    page = (folder / "report.html").read_text()
    assert "loss.q uniform in 0.1 to 1 for power" in page
    assert "are the published ones" not in page


def test_a_child_plan_does_not_claim_to_be_written_before_the_first_run(tmp_path: Path) -> None:
    child = make_tuned(tmp_path, {"cross_entropy": peak(), "power": peak()}, parent="ab" * 32)
    methods = (publish_tuned(child).parent / "methods.txt").read_text()
    assert "before the first run" not in methods
    assert f"another question of a study whose first answers, to the plan {'ab' * 32}, may have been known" in methods
