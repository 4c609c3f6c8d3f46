"""What is asked of some runs at several doses: which lines, by which metric, against which of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lossbench.report.arms import Arm
from lossbench.report.baseline import choose_baseline
from lossbench.report.compare import all_arms, still_to_do
from lossbench.report.compared_metric import choose_metric
from lossbench.report.doses.axis import Axis
from lossbench.report.doses.lines import Line, make_lines
from lossbench.report.family import other_arms
from lossbench.report.frozen import are_frozen, one_seed_of_each
from lossbench.report.records import Record
from lossbench.report.scored import margin_of
from lossbench.report.spec import ComparisonSpec


@dataclass(frozen=True)
class Asked:
    """What is compared with what, and what is the same at every dose.

    Args:
        axis: the number of the data that was varied.
        lines: the losses with their settings.
        baseline: the line that the others are compared with; None where the runs have none.
        metric: what is compared.
        margin: differences below it do not matter.
        instead: the metric that the runs monitor, where it cannot be compared.
        chosen: whether the baseline is one of several settings of its loss, the best on the validation split.
        frozen: whether every seed gave the same run, of which one is kept.
        copies: runs that are there twice, of which one counts.
        provisional: runs that are still to be done.
    """

    axis: Axis
    lines: Sequence[Line]
    baseline: Line | None
    metric: str
    margin: float | None
    instead: str | None
    chosen: bool
    frozen: bool
    copies: int
    provisional: int

    @property
    def doses(self) -> list[float]:
        """All doses, rising."""
        return sorted({dose for line in self.lines for dose in line.arms})

    @property
    def arms(self) -> list[Arm]:
        """The arms of all lines at all doses."""
        return [arm for line in self.lines for arm in line.arms.values()]

    def at(self, dose: float) -> list[Arm]:
        """The arms at a dose."""
        return [line.arms[dose] for line in self.lines if dose in line.arms]

    def beyond(self, dose: float) -> list[Arm]:
        """The arms at a dose that the study has and the report has not."""
        baseline = None if self.baseline is None else self.baseline.arms.get(dose)
        return other_arms(baseline, self.arms, self.metric) if baseline and baseline.runs else []


def ask(axis: Axis, done: Sequence[Record], missing: Sequence[Record], spec: ComparisonSpec) -> Asked:
    """Find the lines of some runs, and choose metric and baseline, the same at every dose.

    Raises:
        UserError: the metric or the baseline does not exist.
    """
    arms, copies = all_arms(done, missing)
    frozen = are_frozen(arms)
    lines = make_lines(one_seed_of_each(arms) if frozen else arms, axis)
    metric, instead = choose_metric([arm for line in lines for arm in line.arms.values()], spec.metric)
    baseline, chosen = _choose_line(lines, spec.baseline, metric)
    return Asked(
        axis=axis,
        lines=lines,
        baseline=baseline,
        metric=metric,
        margin=margin_of(spec, metric),
        instead=instead,
        chosen=chosen,
        frozen=frozen,
        copies=copies,
        provisional=still_to_do(arms, missing),
    )


def _choose_line(lines: Sequence[Line], name: str, metric: str) -> tuple[Line | None, bool]:
    """Find the baseline; among several settings of its loss the best mean validation score over most doses decides."""
    most = max((len(line.arms) for line in lines if name in (line.label, line.loss)), default=0)
    whole = [line for line in lines if len(line.arms) >= most]
    found, chosen = choose_baseline([_pooled(line) for line in whole], name, metric)
    return next((line for line in whole if found is not None and line.label == found.label), None), chosen


def _pooled(line: Line) -> Arm:
    """The runs of all doses as those of one arm."""
    runs = [run for arm in line.arms.values() for run in arm.runs.values()]
    return replace(next(iter(line.arms.values())), runs=dict(enumerate(runs)))
