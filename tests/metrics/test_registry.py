"""A metric is declared once: what is known of it follows, and both engines measure it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import plan_run
from outputs import example
from run_files import result_of, rows

from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.metrics.classes import Classes
from lossbench.metrics.estimates import Estimate, proportion
from lossbench.metrics.measure import estimates
from lossbench.metrics.registry import METRICS, headlines, metric, shown
from lossbench.metrics.units import Unit, unit_of
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result
from lossbench.rundir.table import table
from lossbench.vectorized.launch.stacks import run_stacked


@pytest.fixture
def declare() -> Iterator[Callable[..., None]]:
    """Register metrics for one test."""
    before = dict(METRICS)

    def register(name: str, function: Callable[[Classes], Estimate | None], **declared: object) -> None:
        metric(name, **{"better": "lower", **declared})(function)  # pyright: ignore[reportArgumentType] - a test's

    yield register
    METRICS.clear()
    METRICS.update(before)


def doubt(outputs: Classes) -> Estimate:
    return proportion(outputs.raw.confidence < 0.5)


@pytest.mark.parametrize(
    ("name", "declared", "message"),
    [
        ("accuracy", {}, "a word that no other metric has, got 'accuracy'"),
        ("top-5", {}, "a word that no other metric has, got 'top-5'"),
        ("doubt", {"better": "more"}, "better must be higher or lower, got 'more'"),
    ],
)
def test_a_wrong_declaration_is_refused(
    declare: Callable[..., None], name: str, declared: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        declare(name, doubt, **declared)


def test_values_that_are_not_one_for_each_run_are_refused(declare: Callable[..., None]) -> None:
    declare("doubt", lambda outputs: Estimate(outputs.raw.confidence))
    logits, target = example(7, 3)
    with pytest.raises(ValueError, match=r"metric doubt must give \(2,\) values, got \(2, 7\)"):
        estimates(logits.expand(2, -1, -1), target)


def test_the_declaration_decides_how_a_metric_is_shown(declare: Callable[..., None]) -> None:
    declare("doubt", doubt, unit="%", better="lower", shown="below the loss", headline=True)
    assert unit_of("test/doubt") == Unit("%", "points", 100, 2, False, 0.01)
    assert (shown("below the loss")[-1], headlines()[-1]) == ("doubt", "doubt")


def test_units_of_metrics_yardsticks_and_unknown_names() -> None:
    assert unit_of("val/macro_f1") == Unit("%", "points", 100, 2, True, 0.01)
    assert unit_of("angle") == Unit("degrees", "degrees", 1, 4, False, None)
    assert unit_of("test/cross_entropy") == Unit("nats", "nats", 1, 4, False, None)
    assert unit_of("true_class_probability").higher_is_better
    assert unit_of("test/my_own_term") == Unit("", "", 1, 4, False, None)


def finished(run: RunDirectory, engine: Callable[[RunDirectory], object]) -> Result:
    engine(run)
    result = result_of(run)
    assert "\ndoubt (%) " in table(result)
    epochs = rows(run, "val/doubt")
    assert len(epochs) == 3
    assert result.metrics["val/doubt"] == min(value for _, value in epochs)  # evaluate=best
    return result


def test_both_engines_measure_log_show_and_monitor_it(tmp_path: Path, declare: Callable[..., None]) -> None:
    declare("doubt", doubt, unit="%")
    words = ("data=digits", "trainer.max_epochs=3", "monitor=val/doubt", "evaluate=best", "optimizer.lr=0.03")
    alone, stacked = (plan_run(tmp_path / name, *words) for name in ("alone", "stacked"))
    ours = finished(alone, start)
    theirs = finished(stacked, lambda run: run_stacked([run], SweepProgress({run: ""}, [run], "test/doubt")))
    assert (ours.half_width_95["test/doubt"] or 0) > 0
    assert theirs.metrics == pytest.approx(ours.metrics, abs=1e-4)
    assert theirs.half_width_95 == pytest.approx(ours.half_width_95, abs=1e-4)
