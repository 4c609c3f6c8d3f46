"""Losses judged by their features on other data: made runs with made answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_run, read, write_predictions
from made_tuned import make_tuned, peak

from lossbench.cli import report
from lossbench.errors import UserError
from lossbench.report.loss_comparison import LossComparison, compare_losses
from lossbench.report.spec import ComparisonSpec
from lossbench.report.transfer.compare import TransferComparison, find_transfers
from lossbench.report.transfer.words import sentences
from lossbench.report.tuned.publish import publish_tuned
from lossbench.rundir.transferred import Transferred

REPLICATES = 10  # the least that decide a third question of the same runs
N = 200


def right(accuracy: float, replicate: int, loss: str) -> list[bool]:
    rng = np.random.default_rng([replicate, len(loss)])
    return (rng.random(N) < accuracy).tolist()


def probe(run: Path, hits: Sequence[bool], *, data: str = "photos", **other: Any) -> Path:
    """Write the answer of a run, and the outputs that it was measured from."""
    folder = run / "transfer"
    folder.mkdir(exist_ok=True)
    write_predictions(folder, hits)
    (folder / "predictions.npz").rename(folder / f"{data}-12345678.npz")
    accuracy = float(np.mean(hits))
    known: dict[str, Any] = {
        "question": f"question of {data}",
        "data": data,
        "replicate": int(run.name.removeprefix("replicate")),
        "folds": 5,
        "fingerprint": "0" * 16,
        "checkpoint": "last",
        "weights": "0" * 64,
        "features": 128,
        "metrics": {"val/accuracy": accuracy, "test/accuracy": accuracy},
        "half_width_95": {"test/accuracy": 0.05},
        "n": {"train": 3 * N, "val": N, "test": N},
        "scale": 1.0,
        "classes": ["cat", "dog"],
        "trained_on": 0,
        "probe": {"weight_decay": 0.01, "at_edge": False, "iterations": 9},
        "class_separation": {"home": 0.7, "away": 0.2},
        "pool": 5 * N,
        "versions": {},
        "git": {},
    }
    path = folder / f"{data}-12345678.json"
    Transferred(**{**known, **other}).write(path)
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """power is better at home and worse on other data than cross_entropy; squentropy is neither."""
    folder = tmp_path / "study"
    scores = {"cross_entropy": (0.80, 0.80), "power": (0.93, 0.60), "squentropy": (0.80, 0.80)}
    for loss, (home, away) in scores.items():
        for replicate in range(REPLICATES):
            hits = right(home, replicate, loss)
            more: dict[str, Any] = {"kind": "replicate", "right": hits, "accuracy": float(np.mean(hits))}
            more["result"] = {"train_counts": {"examples": 3 * N}}
            run = make_run(folder, loss, replicate, **more)
            probe(run, right(away, replicate, f"{loss} away"), class_separation={"home": 0.5 + home / 10, "away": 0.2})
    return folder


def compared(study: Path) -> LossComparison:
    return compare_losses(read(study), ComparisonSpec("cross_entropy", None, None))


def only(transfers: Sequence[TransferComparison]) -> TransferComparison:
    (transfer,) = transfers
    return transfer


def test_a_loss_that_wins_at_home_and_loses_on_other_data_is_a_finding(study: Path) -> None:
    home = compared(study)
    assert home.verdicts["power"] == "better"
    transfer = only(find_transfers(home.comparison))
    pair = transfer.away.paired["power"]
    assert (pair.verdict, transfer.away.design, transfer.away.without_examples) == ("worse", "folds", None)
    assert -0.3 < pair.mean < -0.1
    assert pair.high < 0
    first, *_, separation = sentences(transfer)
    assert first.startswith("power wins at home and loses on photos: +")
    assert first.endswith(" points here.")
    assert "highest with power (59.3 %)" in separation
    assert transfer.separation("power", "home") == pytest.approx(0.593)


def test_it_is_a_question_of_its_own_that_moves_no_verdict_at_home(study: Path) -> None:
    before = compared(study)
    transfer = only(find_transfers(before.comparison))
    assert {pair.look for pair in transfer.away.paired.values()} == {2}
    again = only(find_transfers(compared(study).comparison))
    assert {pair.look for pair in again.away.paired.values()} == {2}  # the same look
    after = compared(study)
    assert after.verdicts == before.verdicts
    assert {pair.look for pair in after.comparison.paired.values()} == {1}
    assert after.comparison.questions == 2
    for run in study.glob("*/*/result.json"):
        probe(run.parent, right(0.8, 0, "sketches"), data="sketches", question="of sketches")
    photos, sketches = find_transfers(compared(study).comparison)
    assert [each.data for each in (photos, sketches)] == ["photos", "sketches"]
    assert {pair.look for pair in sketches.away.paired.values()} == {3}
    assert photos.away.paired["power"].verdict == "worse"


def test_questions_about_one_data_set_are_told_apart_by_their_settings(study: Path) -> None:
    for run in study.glob("*/*/result.json"):
        folder = run.parent / "transfer"
        for path in sorted(folder.glob("photos-1*")):
            path.rename(path.with_name(path.name.replace("-1", "-clean")))
        probe(run.parent, right(0.8, 0, "x"), question="noisy", settings={"label_noise": 0.4, "split": "random"})
    data = sorted(each.data for each in find_transfers(compared(study).comparison))
    assert data == ["photos", "photos label_noise=0.4 split=random"]


def test_too_few_replicates_for_a_second_question_are_named(study: Path) -> None:
    for path in study.glob("*/replicate[89]/*.json"):
        path.unlink()
    transfer = only(find_transfers(compared(study).comparison))
    assert {pair.verdict for pair in transfer.away.paired.values()} == {"undecided"}
    assert (
        "As look 2 at these runs it decides nothing with so few replicates: 9 replicates are the least."
        in sentences(transfer)
    )


def test_nothing_is_judged_while_a_run_that_is_done_has_no_answer(study: Path) -> None:
    next(study.glob("*-power-*/replicate3/transfer/*.json")).unlink()
    transfer = only(find_transfers(compared(study).comparison))
    assert transfer.lacking == 1
    assert transfer.away.paired["power"].verdict == "undecided"
    assert sentences(transfer)[0] == "Not judged yet on photos: 1 run has no answer."
    assert "test/accuracy" in (study / "journal.jsonl").read_text()
    looks = [json.loads(line) for line in (study / "journal.jsonl").read_text().splitlines()]
    assert not any("plan" in look["question"] for look in looks if look["what"] == "look")


def test_features_that_are_not_finite_count_as_guessing(study: Path) -> None:
    for path in study.glob("*-squentropy-*/replicate*/transfer/*.json"):
        known = json.loads(path.read_text())
        path.write_text(json.dumps({**known, "metrics": dict.fromkeys(known["metrics"]), "probe": {}}))
    for run in study.glob("*-power-*/replicate0"):
        probe(run, right(0.6, 0, "power"), metrics={"val/accuracy": None, "test/accuracy": None}, probe={})
    transfer = only(find_transfers(compared(study).comparison))
    assert transfer.away.diverged == {"power": [0], "squentropy": [*range(REPLICATES)]}
    assert transfer.away.scores["power"][0] == 0.5  # of two classes
    assert transfer.away.paired["squentropy"].verdict == "worse"
    assert sentences(transfer)


def test_the_report_has_a_section_and_a_folder_of_its_own(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([str(study)])
    report.main([str(study), "--transfer"])
    printed = capsys.readouterr().out
    assert "Features on photos: test/accuracy of a linear probe, against cross_entropy" in printed
    plain, asked = sorted((study / "reports").iterdir())
    assert asked.name == f"{plain.name}-transfer"
    page = (asked / "report.html").read_text()
    assert "power wins at home and loses on photos" in page
    assert "wins at home" not in (plain / "report.html").read_text()
    (table,) = asked.glob("transfer_photos_*.csv")
    assert "class_separation_home" in table.read_text().splitlines()[0]


def test_tuned_losses_are_judged_by_the_refits_of_what_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refit(run: Path) -> None:
        loss = next(name for name in ("power", "cross_entropy") if f"-{name}-" in run.parent.name)
        probe(run, right(0.6 if loss == "power" else 0.8, int(run.name.removeprefix("replicate")), loss))

    losses = {"cross_entropy": peak(0.8), "power": peak(0.9)}
    tuned = make_tuned(tmp_path, losses, replicates=range(REPLICATES), refit=refit)
    page = publish_tuned(tuned, transfer=True)
    assert page.parent.name.endswith("-transfer")
    assert "power wins at home and loses on photos" in page.read_text()
    capsys.readouterr()


def test_what_was_never_probed_is_one_line(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in study.glob("*-cross_entropy-*/replicate*/transfer/*.json"):
        path.unlink()
    with pytest.raises(UserError, match="no run of the baseline cross_entropy was probed on photos"):
        report.main([str(study), "--transfer"])
    for path in study.glob("*/replicate*/transfer/*.json"):
        path.unlink()
    with pytest.raises(UserError, match=r"was probed on other data: lossbench transfer .* data=NAME does it"):
        report.main([str(study), "--transfer"])
    capsys.readouterr()
