"""Verdicts of a family of paired comparisons with one baseline, judged together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lossbench.report.stats import paired
from lossbench.report.stats.advice import Advice
from lossbench.report.stats.decision import Decision, Qualifier, Verdict, decide
from lossbench.report.stats.differences import Design, Differences, spread
from lossbench.report.stats.estimate import Estimate, estimate
from lossbench.report.stats.family import judge_family
from lossbench.report.stats.sequential import ALPHA, look_factor

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
    test_per_train: float | None = None,
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
        test_per_train: test examples for each training example; folds need it where there are no examples.

    Returns:
        Label to comparison, in the order given. One unit, or one test example, is undecided, with p = 1.

    Raises:
        ValueError: on a margin that is not > 0, looks < 1 or of other names, a family smaller than the differences.
    """
    looks = dict.fromkeys(differences, look) if isinstance(look, int) else look
    absent = _check(differences, margin, looks, family)
    spreads = {label: spread(one, design, test_per_train) for label, one in differences.items()}
    known = [label for label, its in spreads.items() if not math.isnan(its.se)]
    decisions: dict[str, Decision] = {}
    if known:
        given, its = [differences[label] for label in known], [spreads[label] for label in known]
        tests = judge_family(given, its, margin, [looks[label] for label in known], absent + len(spreads) - len(known))
        for place, label in enumerate(known):
            decisions[label] = decide(tests, place, differences[label], spreads[label], margin, looks[label])
    ratio = test_per_train if design == "folds" else None
    compared: dict[str, PairedComparison] = {}
    for label, one in differences.items():
        found = estimate(one, spreads[label], looks[label], (collapsed or {}).get(label, 0), ratio)
        compared[label] = PairedComparison(**vars(found), **vars(decisions.get(label, Decision())))
    return compared


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
