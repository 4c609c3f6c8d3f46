"""What the report of a sweep compares (hydra.sweeper), checked before anything runs. Torch-free."""

import math
import re
from collections.abc import Sequence

from lossbench.config.data_fit import may_measure, measured
from lossbench.config.facts import build_source, kind_of
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, suggest
from lossbench.report.spec import DEFAULT_BASELINE, ComparisonSpec


def check_spec(spec: ComparisonSpec, configs: Sequence[RunConfig]) -> None:
    """Refuse a comparison that the runs of the sweep cannot give, before hours of them.

    Args:
        spec: baseline, metric and margin as they were typed.
        configs: of the runs of the sweep, at least one.

    Raises:
        UserError: names the key.
    """
    losses = {config.loss.name for config in configs}
    _check_baseline(spec.baseline, losses)
    if spec.metric is not None:
        _check_metric(spec.metric, losses)
        _check_measured(spec.metric, configs)
    if spec.margin is not None:
        _check_margin(spec.margin)


def _check_measured(metric: str, configs: Sequence[RunConfig]) -> None:
    """Refuse a metric that no run of the sweep measures."""
    split, _, name = metric.partition("/")
    tasks = (kind_of(build_source(config.data.source)).task for config in configs)
    if not any(may_measure(config, task, name) for config, task in zip(configs, tasks, strict=True)):
        names = measured(configs[0], kind_of(build_source(configs[0].data.source)).task)
        raise UserError(
            f"hydra.sweeper.metric={metric} is not measured; {suggest(metric, (f'{split}/{each}' for each in names))}"
        )


def _check_baseline(baseline: object, losses: set[str]) -> None:
    loss = str(baseline).split(" ")[0]  # the label of an arm begins with its loss
    if loss not in losses and baseline != DEFAULT_BASELINE:
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
