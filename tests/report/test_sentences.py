"""The answer in sentences: numbers, units and verdicts as they are."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_runs import change, compare_runs, make_arm, make_run

from lossbench.metrics.units import unit_of
from lossbench.report.formatting import format_advice, format_difference, format_p, format_score
from lossbench.report.sentences import headline, sentences
from lossbench.report.stats.advice import Advice

SEEDS = (
    "Seeds do not vary the split, so this is about this one split alone: "
    "replicate='range(8)' in place of seed= asks about new data of this kind."
)
BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.81, 0.83]


def shifted(shift: float, noise: float = 0.002) -> list[float]:
    return [score + shift + noise * (-1) ** k for k, score in enumerate(BASE)]


def study(tmp_path: Path, **arms: Sequence[float]) -> Path:
    for loss, scores in {"cross_entropy": BASE, **arms}.items():
        make_arm(tmp_path / "study", loss, scores)
    return tmp_path / "study"


@pytest.mark.parametrize(
    ("metric", "value", "signed", "text"),
    [
        ("test/accuracy", 0.012345, True, "+1.23 points"),
        ("test/accuracy", -0.5, False, "-50.00 points"),
        ("test/error_rate", 0.01, True, "+1.00 points"),
        ("test/nll", -0.01234, True, "-0.0123 nats"),
        ("test/brier", 0.5, False, "0.5000"),
        ("test/accuracy", -1e-9, True, "+0.00 points"),
        ("test/accuracy", math.nan, True, "n/a"),
    ],
)
def test_differences_are_worded_with_their_unit(metric: str, value: float, signed: bool, text: str) -> None:
    assert format_difference(value, unit_of(metric), signed=signed) == text
    assert format_difference(value, unit_of(metric), signed=signed, with_unit=False) == text.split(" ")[0]


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("test/accuracy", 0.97834, "97.83 %"),
        ("val/nll", 0.5, "0.5000 nats"),
        ("test/ece", 1 / 3, "0.3333"),
        ("test/nll", math.nan, "n/a"),
    ],
)
def test_scores_are_worded_with_their_unit(metric: str, value: float, text: str) -> None:
    assert format_score(value, unit_of(metric)) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(1, "1.000"), (0.0499, "0.050"), (0.001, "0.001"), (0.00099, "< 0.001"), (0, "< 0.001"), (math.nan, "n/a")],
)
def test_p_is_worded(p: float, text: str) -> None:
    assert format_p(p) == text


def test_a_better_loss_is_what_to_train_with(tmp_path: Path) -> None:
    found = compare_runs(study(tmp_path, power=shifted(0.03), cosine=shifted(-0.05)))
    assert headline(found).startswith(
        "Train with power: it is better than cross_entropy on this split, +3.00 points "
        "(95 % interval +2.82 to +3.18, n = 8 seeds)."
    )
    assert [said.split(":")[0] for said in sentences(found)] == [
        "power is better than cross_entropy",
        "cosine is worse than cross_entropy",
    ]
    assert sentences(found)[0].endswith("corrected p = 0.008.")


def test_of_several_better_losses_the_best_is_named_and_the_others_too(tmp_path: Path) -> None:
    found = compare_runs(study(tmp_path, power=shifted(0.03), cosine=shifted(0.05), inverse=shifted(0.04)))
    said = headline(found)
    assert said.startswith("Train with cosine: ")
    assert "So inverse, power are better too; they are compared with cross_entropy, not with each other." in said


def test_where_all_is_decided_the_baseline_stays(tmp_path: Path) -> None:
    found = compare_runs(study(tmp_path, power=shifted(0, 0.001), cosine=shifted(-0.05)))
    stay = "Stay with cross_entropy: no loss is better on this split, and every comparison is decided."
    assert headline(found) == f"{stay} {SEEDS}"
    said = sentences(found)[0].replace("+0.00", "-0.00", 1)  # the mean is 0 but for rounding
    assert said.startswith(
        "power is equivalent to cross_entropy, within ±1.00 points (corrected p < 0.001): -0.00 points "
        "(95 % interval -0.09"
    )
    assert said.endswith("; 0 of 8 runs collapsed, up to 31 % may.")


def test_what_is_open_is_said_to_be_open(tmp_path: Path) -> None:
    found = compare_runs(study(tmp_path, power=shifted(0.005, 0.03), cosine=shifted(-0.05)))
    nothing = "Nothing is shown to be better than cross_entropy on this split"
    assert headline(found) == f"{nothing}: stay with it, or decide what is open (1 of 2). {SEEDS}"
    more = found.paired["power"].more
    assert more is not None
    assert sentences(found)[0].endswith(f"; {format_advice(more)}.")


@pytest.mark.parametrize(
    ("shift", "noise", "finding", "imperative"),
    [
        (0.006, 0.001, "power is equivalent to cross_entropy, slightly better, within ±1.00 points", "Stay with"),
        (0.0095, 0.004, "power is slightly better than cross_entropy: +0.95 points", "Stay with"),
        (0.012, 0.001, "power is better than cross_entropy: +1.20 points", "Train with power: it is better"),
    ],
)
def test_only_better_by_more_than_the_margin_is_what_to_train_with(
    tmp_path: Path, shift: float, noise: float, finding: str, imperative: str
) -> None:
    found = compare_runs(study(tmp_path, power=shifted(shift, noise)))
    assert sentences(found)[0].startswith(finding)
    said = headline(found)
    assert said.startswith(imperative)
    slightly = "power is slightly better than cross_entropy, by less than the margin of 1.00 points."
    assert (slightly in said) == (imperative == "Stay with")


@pytest.mark.parametrize("loss", ["power", "cross_entropy"])
def test_runs_that_diverged_are_in_the_headline(tmp_path: Path, loss: str) -> None:
    folder = study(tmp_path, power=shifted(0.03))
    other = "cross_entropy" if loss == "power" else "power"
    for seed in range(8, 12):
        make_run(folder, loss, seed, state="failed", status={"cause": "diverged"})
        make_run(folder, other, seed, accuracy=0.9)
    found = compare_runs(folder)
    assert f"{loss} diverged in 4 of 12 runs." in headline(found)
    assert sentences(found)[0].endswith("; it diverged in 4 of 12 runs.") == (loss == "power")
    if loss == "power":
        assert found.paired["power"].verdict != "better"
        assert found.paired["power"].better_in[0] == pytest.approx(8 / 12)


def test_a_study_of_replicates_says_what_it_holds_for(tmp_path: Path) -> None:
    for loss, scores in (("cross_entropy", BASE), ("power", shifted(0.03))):
        make_arm(tmp_path / "study", loss, scores, kind="replicate", result={"train_counts": {"examples": 1079}})
    found = compare_runs(tmp_path)
    assert (found.kind, found.design) == ("replicate", "folds")
    said = headline(found)
    assert said.startswith("Train with power: it is better than cross_entropy on new data of this kind, +3.00 points")
    assert said.endswith("n = 8 replicates).")
    for path in (tmp_path / "study").rglob("result.json"):
        change(path, folds=None)
    (tmp_path / "study" / "journal.jsonl").unlink()
    assert "better than cross_entropy on this test set," in headline(compare_runs(tmp_path))


@pytest.mark.parametrize(
    ("advice", "words"),
    [
        (Advice(12, 12, "units"), "about 12 more seeds would decide"),
        (Advice(1, 1, "units"), "about 1 more seed would decide"),
        (Advice(8, 30, "units"), "about 8 to 30 more seeds would decide"),
        (Advice(8, None, "units"), "about 8 to more than 1,000 more seeds would decide"),
        (Advice(900, 900, "examples"), "no number of seeds will decide it; about 900 test examples would"),
        (Advice(None, None, "nothing"), "no number of seeds or test examples is likely to decide it"),
    ],
)
def test_what_would_decide_is_worded(advice: Advice, words: str) -> None:
    assert format_advice(advice) == words


@pytest.mark.parametrize(
    ("scores", "spec", "mention"),
    [
        (
            [0.9],
            {},
            "power is undecided against cross_entropy: +10.00 points (n = 1 seed); "
            "one seed tells nothing about others.",
        ),
        (BASE, {"metric": "test/brier"}, "no number of seeds or test examples is likely to decide it."),
    ],
)
def test_what_no_number_of_seeds_helps(tmp_path: Path, scores: list[float], spec: dict[str, Any], mention: str) -> None:
    assert sentences(compare_runs(study(tmp_path, power=scores), **spec))[0].endswith(mention)


@pytest.mark.parametrize(("n", "runs"), [(1, "1 run of this comparison is"), (3, "3 runs of this comparison are")])
def test_what_is_not_judged_yet_says_how_many_runs_are_to_be_done(tmp_path: Path, n: int, runs: str) -> None:
    folder = study(tmp_path, power=shifted(0.03))
    for seed in range(n):
        make_run(folder, "cosine", seed, state="planned")
    found = compare_runs(folder)
    assert headline(found) == f"Not judged yet: {runs} still to be done."
    assert sentences(found) == [
        "power against cross_entropy so far: +3.00 points (95 % interval +2.82 to +3.18, n = 8 seeds)."
    ]


def test_where_all_other_runs_are_to_be_done_nothing_else_is_advised(tmp_path: Path) -> None:
    make_run(study(tmp_path), "power", state="running")
    assert headline(compare_runs(tmp_path)) == "Not judged yet: 1 run of this comparison is still to be done."


def test_better_is_better_where_lower_is_better(tmp_path: Path) -> None:
    found = compare_runs(study(tmp_path, power=shifted(0.03)), metric="test/nll")
    assert headline(found).startswith(
        "Train with power: it is better than cross_entropy on this split, +0.0600 nats (95 % interval +0.0"
    )


def test_without_a_baseline_the_best_mean_is_named_and_nothing_claimed(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9, 0.92])
    make_arm(tmp_path / "study", "cosine", [0.8])
    found = compare_runs(tmp_path)
    assert headline(found).startswith(
        "Best mean test/accuracy: power, 91.00 % (95 % interval 78.29 % to 103.71 %, n = 2 seeds)."
    )
    assert headline(found).endswith("Without a baseline nothing is tested.")
    assert sentences(found) == []


def test_one_run_is_one_seed(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9])
    assert "90.00 % (n = 1 seed)." in headline(compare_runs(tmp_path))


def test_without_a_shared_seed_nothing_is_compared(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", [0.9, 0.8])
    make_arm(tmp_path / "study", "power", [0.9, 0.8], first=2)
    found = compare_runs(tmp_path)
    assert (
        headline(found)
        == "There is nothing to compare cross_entropy with: add losses, or seeds that it shares with them."
    )
    assert sentences(found) == ["power shares no seed with cross_entropy and is not compared."]
