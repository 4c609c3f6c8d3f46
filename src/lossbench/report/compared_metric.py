"""Which metric the arms of a comparison are compared by."""

from collections.abc import Sequence

from lossbench.errors import UserError, suggest
from lossbench.metrics.registry import headlines
from lossbench.report.arms import Arm
from lossbench.report.records import Record


def choose_metric(arms: Sequence[Arm], wanted: str | None) -> tuple[str, str | None]:
    """Choose the metric.

    Args:
        arms: at least one, with runs.
        wanted: its name; None is the test value of what the runs monitor, or the headline of their task where they
            monitor their own losses.

    Returns:
        Its name, and the metric that the runs monitor where that cannot be compared.

    Raises:
        UserError: a run lacks the metric, or it is a different formula in each arm.
    """
    runs = [run for arm in arms for run in arm.runs.values()]
    shared = set[str].intersection(*map(_measured, runs))
    headline = _headline(shared)
    metric = wanted or _monitored(runs) or headline
    instead = None
    if metric.endswith("/loss") and _is_another_formula_in_each(arms):
        if wanted is not None:
            raise _no_common_formula(metric, headline)
        metric, instead = headline, metric
    if metric not in shared:
        raise _not_measured(metric, runs, shared)
    return metric, instead


def _measured(run: Record) -> set[str]:
    return {name for name, value in run.metrics.items() if value is not None}


def _headline(shared: set[str]) -> str:
    names = (f"test/{name}" for name in headlines())
    return next((name for name in names if name in shared), "test/accuracy")


def _monitored(runs: Sequence[Record]) -> str | None:
    """The test value of what all runs monitor; None where they monitor different metrics.

    Beside runs whose classes were made uneven the others are judged as those are.
    """
    monitors = {str(run.params.get("monitor")) for run in runs}
    if monitors == {"val/accuracy", "val/balanced_accuracy"}:
        return "test/balanced_accuracy"
    return monitors.pop().replace("val/", "test/", 1) if len(monitors) == 1 else None


def _is_another_formula_in_each(arms: Sequence[Arm]) -> bool:
    """Whether the arms' losses differ by name or by a setting."""
    if len({arm.loss for arm in arms}) > 1:
        return True
    return any(key.startswith("loss.") for arm in arms for key in arm.settings)


def _no_common_formula(metric: str, headline: str) -> UserError:
    others = " or a yardstick"
    if headline == "test/accuracy":
        others = ", test/nll_scaled or a yardstick such as test/cross_entropy"
    return UserError(
        f"metric={metric} is each run's own loss, a different formula in each: its values cannot be compared; "
        f"use {headline}{others}"
    )


def _not_measured(metric: str, runs: Sequence[Record], shared: set[str]) -> UserError:
    where = ""
    if any(metric in run.metrics for run in runs):
        lacking = next(run for run in runs if run.metrics.get(metric) is None)
        where = f" in all runs, {lacking.path} lacks it"
    return UserError(f"metric={metric} does not exist{where}; {suggest(metric, shared)}")
