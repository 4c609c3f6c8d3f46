"""What the verdicts of several data sets say of each loss."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.errors import UserError
from lossbench.metrics.units import unit_of
from lossbench.report.across.data_sets import DataSet
from lossbench.report.stats.across import (
    critical_difference,
    friedman_p,
    mean_ranks,
    sign_test_p,
    sign_tests_together,
)

DIGITS = 9


@dataclass(frozen=True)
class AcrossLoss:
    """One loss on all data sets.

    Args:
        words: verdict -> on how many data sets.
        wins: data sets on which its mean score is above the baseline's.
        losses: those on which it is below.
        p: of the sign test by itself.
        p_adjusted: corrected for all losses.
        rank: its mean rank, 1 is the best.
    """

    words: Mapping[str, int]
    wins: int
    losses: int
    p: float
    p_adjusted: float
    rank: float


@dataclass(frozen=True)
class Across:
    """All losses that every data set has, compared.

    Args:
        data_sets: one a row.
        baseline: the loss that the others are compared with.
        of_loss: loss -> what was found, the baseline's rank too; by rank.
        left_out: losses that some data sets lack.
        critical_difference: mean ranks that differ by more are told apart (Nemenyi).
        friedman_p: of all ranks being equal.
    """

    data_sets: Sequence[DataSet]
    baseline: str
    of_loss: Mapping[str, AcrossLoss]
    left_out: Sequence[str]
    critical_difference: float
    friedman_p: float


def compare_across(data_sets: Sequence[DataSet]) -> Across:
    """Compare losses across data sets; each counts once, however large it is.

    Args:
        data_sets: at least two, with one baseline.

    Raises:
        UserError: there are fewer than two, or fewer than two losses are in all of them.
    """
    common, left_out = _common(data_sets)
    scores = np.array([[_oriented(each, each.losses[loss].mean) for loss in common] for each in data_sets])
    baseline = data_sets[0].baseline
    ranks = dict(zip(common, mean_ranks(scores).tolist(), strict=True))
    found = _against(data_sets, [loss for loss in common if loss != baseline], ranks)
    found[baseline] = AcrossLoss({}, 0, 0, 1.0, 1.0, ranks[baseline])
    of_loss = {loss: found[loss] for loss in sorted(common, key=ranks.__getitem__)}
    differ = critical_difference(len(common), len(data_sets))
    return Across(data_sets, baseline, of_loss, left_out, differ, friedman_p(scores))


def _common(data_sets: Sequence[DataSet]) -> tuple[list[str], list[str]]:
    """The losses that all data sets have, and those that some lack."""
    if len(data_sets) < 2:
        raise UserError("one data set has a verdict of its own: lossbench report; name at least two")
    names = dict.fromkeys(loss for each in data_sets for loss in each.losses)
    common = [loss for loss in names if all(loss in each.losses for each in data_sets)]
    if len(common) < 2:
        raise UserError("no loss but the baseline is in all of these data sets; compare data sets with the same losses")
    return common, [loss for loss in names if loss not in common]


def _against(data_sets: Sequence[DataSet], losses: Sequence[str], ranks: Mapping[str, float]) -> dict[str, AcrossLoss]:
    """Each loss against the baseline."""
    rows = [[round(each.losses[loss].difference, DIGITS) for loss in losses] for each in data_sets]
    differences = np.array(rows)
    adjusted = sign_tests_together(differences)
    found: dict[str, AcrossLoss] = {}
    for k, loss in enumerate(losses):
        wins, lost = int((differences[:, k] > 0).sum()), int((differences[:, k] < 0).sum())
        words = Counter(each.losses[loss].word for each in data_sets)
        found[loss] = AcrossLoss(words, wins, lost, sign_test_p(wins, lost), float(adjusted[k]), ranks[loss])
    return found


def _oriented(data_set: DataSet, value: float) -> float:
    """A score, so that more is better; rounding makes no winner of two that are equal."""
    return round(value if unit_of(data_set.metric).higher_is_better else -value, DIGITS)
