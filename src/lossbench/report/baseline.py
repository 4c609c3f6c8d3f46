"""Which arm the others are compared with."""

from collections.abc import Iterable, Sequence

import numpy as np

from lossbench.config.rules import TASKS
from lossbench.errors import UserError, suggest
from lossbench.metrics.units import unit_of
from lossbench.report.arms import Arm
from lossbench.report.spec import DEFAULT_BASELINE

OTHER_DEFAULT = "mse"  # for tasks that cross_entropy does not fit
OF_LABELS = "bce"  # where all losses are for several labels


def other_defaults(losses: Iterable[str]) -> list[str]:
    """Name what stands for the default baseline, in this order, where cross_entropy is not among some losses."""
    return [OTHER_DEFAULT, *([OF_LABELS] if {*losses} <= {*TASKS["multi_label"].values()} else [])]


def choose_baseline(arms: Sequence[Arm], name: str, metric: str) -> tuple[Arm | None, bool]:
    """Find the baseline by label, else among the arms of that loss the one with the best validation score.

    Args:
        arms: at least one.
        name: a label or a loss; the default gives way to mse, of several labels to bce, where no arm has it.
        metric: what is compared; its validation value chooses among several settings.

    Returns:
        The baseline, None where no arm has the default one, and whether it was chosen among several.

    Raises:
        UserError: no arm has that label or loss.
    """
    by_label = {arm.label: arm for arm in arms}
    if name in by_label:
        return by_label[name], False
    # Sorted by label: of two with the same validation score the test score is not to choose.
    of_loss = sorted((arm for arm in arms if arm.loss == name), key=lambda arm: arm.label)
    if of_loss:
        return max(of_loss, key=lambda arm: _validation_score(arm, metric)), len(of_loss) > 1
    losses = {arm.loss for arm in arms}
    if name != DEFAULT_BASELINE:
        raise UserError(f"baseline={name} does not exist; {suggest(name, {*losses, *by_label})}")
    if found := [other for other in other_defaults(losses) if other in losses]:
        return choose_baseline(arms, found[0], metric)
    return None, False  # a sweep of one loss alone has none, and need not


def _validation_score(arm: Arm, metric: str) -> float:
    """The mean over seeds, turned so that more is better; -inf where it was not measured."""
    sign = 1 if unit_of(metric).higher_is_better else -1
    values = arm.values(metric.replace("test/", "val/", 1))
    return sign * float(np.mean(values)) if len(values) else -np.inf
