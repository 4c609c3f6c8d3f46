"""What the report of a sweep is to answer, checked before anything runs. Torch-free."""

import math
import re
from collections.abc import Mapping
from typing import Any

from lossbench.errors import UserError, suggest


def check_question(question: Mapping[str, Any], losses: set[str]) -> None:
    """Refuse a question that no run of the sweep can answer, before hours of them.

    Args:
        question: baseline, metric and margin of hydra.sweeper.
        losses: names of the losses in the sweep.

    Raises:
        UserError: names the key.
    """
    _check_baseline(question["baseline"], losses)
    if question["metric"] is not None:
        _check_metric(question["metric"], losses)
    if question["margin"] is not None:
        _check_margin(question["margin"])


def _check_baseline(baseline: object, losses: set[str]) -> None:
    loss = str(baseline).split(" ")[0]  # the label of an arm begins with its loss
    if loss not in losses and baseline != "cross_entropy":
        raise UserError(f"hydra.sweeper.baseline={baseline} is not in this sweep; {suggest(loss, losses)}")


def _check_metric(metric: object, losses: set[str]) -> None:
    if not re.fullmatch(r"(val|test)/\w+", str(metric)):
        raise UserError(
            f"hydra.sweeper.metric must be a metric of val or test such as test/accuracy, or null, got {metric!r}"
        )
    if str(metric).endswith("/loss") and len(losses) > 1:
        raise UserError(
            f"hydra.sweeper.metric={metric} is each run's own loss, a different formula in each; "
            "use test/accuracy or test/cross_entropy"
        )


def _check_margin(margin: object) -> None:
    is_number = isinstance(margin, int | float) and not isinstance(margin, bool)
    if not is_number or not 0 < margin < math.inf:  # pyright: ignore[reportOperatorIssue]
        raise UserError(
            "hydra.sweeper.margin must be a number > 0 in the unit of the metric (0.01 is one point of accuracy), "
            f"got {margin!r}"
        )
