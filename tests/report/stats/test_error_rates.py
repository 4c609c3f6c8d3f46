"""How often whole studies are wrong: simulated losses through the same decisions as real ones."""

import math

import numpy as np
import pytest

from lossbench.report.stats.paired import sign_flip_p, sign_flip_ps, tost_p
from lossbench.report.stats.verdict import ALPHA, Verdict, compare, decide
from lossbench.seeds import generator

LOSSES = 9  # besides the baseline
LOOKS = (12, 15, 18, 21, 24, 27)  # seeds at each look
REPEATS = 2000


def studies(repeats: int, seeds: int, *names: object) -> np.ndarray:
    """Differences (repeats, seeds, 9) of nine losses to a baseline that is as good; a seed moves all ten alike."""
    stream = generator(0, "error rates", *names)
    scores = (
        0.9 + 0.02 * stream.normal(size=(repeats, seeds, 1)) + 0.01 * stream.normal(size=(repeats, seeds, LOSSES + 1))
    )
    return scores[:, :, 1:] - scores[:, :, :1]


def flips(D: np.ndarray) -> np.ndarray:
    """(repeats, seeds, m) to the p of each comparison, (repeats, m)."""
    repeats, seeds, m = D.shape
    return sign_flip_ps(D.transpose(1, 0, 2).reshape(seeds, repeats * m)).reshape(repeats, m)


def verdicts(D: np.ndarray, p: np.ndarray, look: int = 1, margin: float | None = None) -> np.ndarray:
    """Verdicts of every study, (repeats, m), as `compare` gives them."""
    words: list[list[Verdict]] = []
    for study, raw in zip(D, p, strict=True):
        same = [math.nan if margin is None else tost_p(d, margin) for d in study.T]
        m, n = len(raw), len(study)
        words.append([one.verdict for one in decide(study.mean(0).tolist(), raw.tolist(), same, [look] * m, [n] * m)])
    return np.array(words)


def claims(words: np.ndarray) -> np.ndarray:
    return (words == "better") | (words == "worse")


@pytest.fixture(scope="module")
def equal() -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Studies of ten equal losses, and their raw p at each look."""
    D = studies(REPEATS, LOOKS[-1], "equal")
    return D, {seeds: flips(D[:, :seeds]) for seeds in LOOKS}


@pytest.mark.parametrize("look", [1, 3])
def test_simulated_studies_are_judged_as_real_ones(look: int) -> None:
    D = studies(20, 8, "twin") + 0.02 * np.eye(LOSSES)[0]
    words = verdicts(D, flips(D), look, margin=0.03)
    for study, found in zip(D, words, strict=True):
        family = compare({str(i): d for i, d in enumerate(study.T)}, 0.03, {str(i): look for i in range(LOSSES)})
        assert [one.verdict for one in family.values()] == found.tolist()


def test_ten_equal_losses_seldom_differ(equal: tuple[np.ndarray, dict[int, np.ndarray]]) -> None:
    D, p = equal
    rate = claims(verdicts(D[:, :12], p[12])).any(1).mean()
    print(f"ten equal losses, 12 seeds: a false claim in {rate:.4f} of {REPEATS} studies")
    assert 0.01 <= rate <= 0.06


def test_ten_equal_losses_seldom_differ_at_any_of_six_looks(equal: tuple[np.ndarray, dict[int, np.ndarray]]) -> None:
    D, p = equal
    wrong = [claims(verdicts(D[:, :seeds], p[seeds], look)).any(1) for look, seeds in enumerate(LOOKS, 1)]
    rate, second = np.any(wrong, axis=0).mean(), claims(verdicts(D[:, :15, :1], p[15][:, :1], 2)).mean()
    print(
        f"ten equal losses, six looks: a false claim in {rate:.4f} of {REPEATS} studies; "
        f"by look {np.mean(wrong, axis=1).tolist()}"
    )
    print(f"one comparison at its second look: a false claim in {second:.4f}")
    assert rate <= 0.06
    assert 0 < second <= 0.01


def test_looking_again_without_a_price_is_what_the_look_factor_prevents(
    equal: tuple[np.ndarray, dict[int, np.ndarray]],
) -> None:
    D, p = equal
    one = slice(0, 1)
    free = np.any([claims(verdicts(D[:, :seeds, one], p[seeds][:, one])) for seeds in LOOKS], axis=0).mean()
    paid = np.any(
        [claims(verdicts(D[:, :seeds, one], p[seeds][:, one], look)) for look, seeds in enumerate(LOOKS, 1)], axis=0
    ).mean()
    print(
        f"one comparison, six looks: a false claim in {free:.4f} of {REPEATS} studies "
        f"without the look factor, {paid:.4f} with it"
    )
    assert free > 0.09
    assert paid <= 0.06 < 0.06 + 0.03 < free


def test_an_effect_of_two_deviations_is_found_among_nine_comparisons() -> None:
    D = studies(1000, 12, "planted")
    D[:, :, 4] += 2 * 0.01 * math.sqrt(2)
    words = verdicts(D, flips(D))
    found, false = (words[:, 4] == "better").mean(), claims(np.delete(words, 4, axis=1)).any(1).mean()
    print(
        f"an effect of 2 sd among nine, 12 seeds: found in {found:.4f}, "
        f"a false claim about another in {false:.4f} of 1000 studies"
    )
    assert found >= 0.9
    assert false <= 0.06


def test_equal_losses_are_called_equivalent_with_40_seeds() -> None:
    D = studies(500, 40, "equivalent")
    words = verdicts(D, flips(D), margin=0.01 * math.sqrt(2))
    share, whole = (words == "equivalent").mean(), (words == "equivalent").all(1).mean()
    print(
        f"ten equal losses, 40 seeds, margin 1 sd: {share:.4f} of comparisons equivalent, "
        f"all nine in {whole:.4f} of 500 studies"
    )
    assert share >= 0.9
    assert whole >= 0.9


def test_losses_a_margin_apart_are_seldom_called_equivalent() -> None:
    margin = 0.01 * math.sqrt(2)
    D = studies(500, 40, "apart") + margin
    same = (np.array([[tost_p(d, margin) for d in study.T] for study in D]) * LOSSES < ALPHA).any(1).mean()
    print(f"nine losses just a margin apart, 40 seeds: one called equivalent in {same:.4f} of 500 studies")
    assert same <= 0.06


def test_exact_and_drawn_p_err_alike_at_a_strict_level() -> None:
    """The levels of later looks are far in the tail, where drawn patterns are few."""
    D = studies(2500, 17, "strict").transpose(1, 0, 2).reshape(17, -1)
    exact, drawn = ((sign_flip_ps(rows) <= 0.001).mean() for rows in (D[:16], D))
    print(f"share of equal losses with p <= 0.001: {exact:.5f} exact, {drawn:.5f} drawn")
    assert max(exact, drawn) <= 0.0017
    assert sign_flip_p(D[:, 0]) == sign_flip_ps(D[:, :1])[0]
