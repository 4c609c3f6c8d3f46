"""What else is said about an arm: calibration, cost, convergence, and how much the choice of test examples matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from lossbench.errors import UserError
from lossbench.plots.bands import Band
from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.histories import Convergence, History, band, convergence, histories
from lossbench.report.records import Record
from lossbench.report.stats.summary import Summary, summarise

FRACTION = 0.95  # of the baseline's last validation score (of its gain, for losses): what counts as reached
CALIBRATION = ("test/ece", "test/ece_scaled", "test/nll", "test/nll_scaled")
Z95 = 1.96  # as in lossbench.metrics
DAMAGED = (OSError, ValueError, KeyError, BadZipFile, EOFError, RuntimeError)  # what a broken .npz raises


@dataclass(frozen=True)
class Measures:
    """What else is known about one arm; a metric that its runs lack is missing.

    Args:
        calibration: metric -> summary: ece and nll, raw and after temperature scaling fitted on validation data.
        seconds: wall-clock time of a run, s.
        memory: peak memory of the process, MB.
        band: learning curve of the monitored metric.
        convergence: how fast its runs reach FRACTION of the baseline's score.
        run_half_width: half-width of the 95 % interval of a run's score from its test examples, mean over runs, stored unit.
        difference_half_width: the same of the mean difference from the baseline; None without saved predictions.
    """

    calibration: Mapping[str, Summary]
    seconds: Summary | None
    memory: Summary | None
    band: Band | None
    convergence: Convergence | None
    run_half_width: float | None
    difference_half_width: float | None


def measure_arms(answer: Answer) -> tuple[dict[str, Measures], float | None]:
    """Measure all arms.

    Returns:
        label -> measures, and the validation score whose reaching is timed (None without a baseline or histories).
    """
    found = {arm.label: histories(arm, answer.monitored) for arm in answer.arms}
    threshold = _threshold(answer, found)
    return {arm.label: _measure(arm, answer, found[arm.label], threshold) for arm in answer.arms}, threshold


def _measure(arm: Arm, answer: Answer, found: Sequence[History], threshold: float | None) -> Measures:
    runs = list(arm.runs.values())
    return Measures(
        calibration={name: summarise(arm.values(name)) for name in CALIBRATION if len(arm.values(name))},
        seconds=_summary([run.seconds for run in runs]),
        memory=_summary([(run.result or {}).get("peak_memory_mb") for run in runs]),
        band=band(found),
        convergence=None if threshold is None else convergence(found, threshold, answer.unit.higher_is_better),
        run_half_width=_mean_half_width(runs, answer.metric),
        difference_half_width=_difference_half_width(arm, answer),
    )


def _summary(values: Sequence[float | None]) -> Summary | None:
    known = [value for value in values if value is not None]
    return summarise(np.array(known, dtype=float)) if known else None


def _mean_half_width(runs: Sequence[Record], metric: str) -> float | None:
    widths = [(run.result or {}).get("half_width_95", {}).get(metric) for run in runs]
    known = [width for width in widths if width is not None]
    return float(np.mean(known)) if known else None


def _threshold(answer: Answer, found: Mapping[str, Sequence[History]]) -> float | None:
    """FRACTION of the baseline's last score; of a metric that falls, the level at which FRACTION of the fall is done."""
    runs = [history for history in found.get(answer.baseline.label, ()) if history.is_finite] if answer.baseline else []
    if not runs:
        return None
    last = float(np.mean([history.values[-1] for history in runs]))
    if answer.unit.higher_is_better:
        return FRACTION * last
    first = float(np.mean([history.values[0] for history in runs]))
    return first - FRACTION * (first - last)


def _difference_half_width(arm: Arm, answer: Answer) -> float | None:
    """How far the mean difference may lie from that on other test examples of the same kind, given these trained models."""
    baseline, seeds = answer.baseline, answer.common.get(arm.label, ())
    if baseline is None or not seeds or answer.metric not in ("test/accuracy", "test/error_rate"):
        return None
    total: np.ndarray | None = None
    ids: list[str] | None = None
    for seed in seeds:
        ours, theirs = _correct(arm.runs[seed]), _correct(baseline.runs[seed])
        if ours is None or theirs is None:
            return None
        ids = ids or ours[1].tolist()
        if not ours[1].tolist() == theirs[1].tolist() == ids:
            return None
        difference = ours[0].astype(float) - theirs[0]
        total = difference if total is None else total + difference
    assert total is not None
    return float(Z95 * (total / len(seeds)).std(ddof=1) / np.sqrt(len(total))) if len(total) > 1 else None


def _correct(run: Record) -> tuple[np.ndarray, np.ndarray] | None:
    """Which test examples a run got right, and their ids; None where it saved no predictions.

    Raises:
        UserError: predictions.npz is damaged.
    """
    path = run.path / "predictions.npz"
    if not path.exists():
        return None
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["test_outputs"].argmax(axis=1) == arrays["test_targets"], arrays["test_ids"]
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read ({error}); delete it and the report goes without it") from error
