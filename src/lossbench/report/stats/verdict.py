"""Verdicts of a family of paired comparisons with one baseline, judged together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lossbench.report.stats import paired
from lossbench.report.stats.advice import Advice
from lossbench.report.stats.decision import Decision, Qualifier, Verdict, decide
from lossbench.report.stats.differences import Design, Differences, Spread, spread
from lossbench.report.stats.estimate import Estimate, estimate
from lossbench.report.stats.family import judge_family
from lossbench.report.stats.sequential import ALPHA, look_factor
from lossbench.report.stats.sign_flip import sign_flip_ps

__all__ = ["ALPHA", "Advice", "Design", "Differences", "PairedComparison", "Qualifier", "Verdict", "judge"]


@dataclass(frozen=True)
class PairedComparison(Decision, Estimate):
    """One loss against the baseline over n shared units: what was estimated, and what was decided."""


def judge(
    differences: Mapping[str, Differences],
    margin: float | None,
    *,
    design: Design,
    look: int | Mapping[str, int] = 1,
    family: int | None = None,
    collapsed: Mapping[str, int] | None = None,
    test_per_train: float | Mapping[str, float | None] | None = None,
) -> dict[str, PairedComparison]:
    """Judge all losses of a study against its baseline at once.

    T = mean / se. Adjusted p = step-down max-T over the family * look_factor(look), at most 1. The first that holds::

        equivalent       adjusted p of the two one-sided tests at the margin < 5 %
        better, worse    adjusted p of T < 5 % and sign-flip p of the units' means * look_factor < 5 %
        undecided        otherwise, and always with too few units (`reachable`)

    Args:
        differences: label to its differences from the baseline; units may differ.
        margin: > 0, the difference that no longer counts as equal, in the unit of the differences; None: nothing is
            called equivalent.
        design: how the units were tested.
        look: how many times these comparisons were judged, this time included; or label to it.
        family: number of planned comparisons, >= len(differences); those without data are taken as independent.
        collapsed: label to units in which the arm diverged or collapsed; none where it is missing.
        test_per_train: test examples for each training example, or label to it; folds need it where there are no
            examples.

    Returns:
        Label to comparison, in the order given. One unit, or one test example, is undecided, with p = 1.

    Raises:
        ValueError: on a margin that is not > 0, looks < 1 or of other names, a family smaller than the differences.
    """
    looks = dict.fromkeys(differences, look) if isinstance(look, int) else look
    absent = _check(differences, margin, looks, family)
    ratios = test_per_train if isinstance(test_per_train, Mapping) else dict.fromkeys(differences, test_per_train)
    spreads = {label: spread(one, design, ratios[label]) for label, one in differences.items()}
    flips, counts, folds = _sign_flips(differences), collapsed or {}, design == "folds"
    found = {
        label: estimate(
            one, spreads[label], flips[label], looks[label], counts.get(label, 0), ratios[label] if folds else None
        )
        for label, one in differences.items()
    }
    decisions = _decide_all(differences, spreads, found, margin, absent)
    return {label: PairedComparison(**vars(one), **vars(decisions[label])) for label, one in found.items()}


def _decide_all(
    differences: Mapping[str, Differences],
    spreads: Mapping[str, Spread],
    found: Mapping[str, Estimate],
    margin: float | None,
    absent: int,
) -> dict[str, Decision]:
    """Decide what has a standard error; the rest counts as absent, and stays undecided."""
    decisions = dict.fromkeys(found, Decision())
    known = [label for label, one in found.items() if not math.isnan(one.se)]
    if not known:
        return decisions
    given, its = [differences[label] for label in known], [spreads[label] for label in known]
    absent += len(found) - len(known)
    tests = judge_family(given, its, margin, [found[label].look for label in known], absent)
    for place, label in enumerate(known):
        decisions[label] = decide(tests, place, found[label], spreads[label], margin)
    return decisions


def _sign_flips(differences: Mapping[str, Differences]) -> dict[str, float]:
    """Raw p of the units' means, those of as many units at once."""
    labels_by_n: dict[int, list[str]] = {}
    for label, one in differences.items():
        labels_by_n.setdefault(len(one.means), []).append(label)
    p: dict[str, float] = {}
    for labels in labels_by_n.values():
        p |= zip(labels, sign_flip_ps(np.stack([differences[k].means for k in labels], axis=1)).tolist(), strict=True)
    return p


def _check(
    differences: Mapping[str, Differences], margin: float | None, looks: Mapping[str, int], family: int | None
) -> int:
    """Number of comparisons of the family that have no data."""
    if set(looks) != set(differences):
        raise ValueError(f"looks must name the comparisons {sorted(differences)}, got {sorted(looks)}")
    for one in looks.values():
        look_factor(one)
    if margin is not None:
        paired.check_margin(margin)
    absent = 0 if family is None else family - len(differences)
    if absent < 0:
        raise ValueError(f"family must be at least the {len(differences)} comparisons given, got {family}")
    return absent
