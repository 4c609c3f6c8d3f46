"""The comparison of some arms with a baseline: scores of every arm, and its differences paired by unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lossbench.metrics.units import Unit
from lossbench.report.arms import Arm
from lossbench.report.records import Record
from lossbench.report.right_answers import RightAnswers
from lossbench.report.stats.differences import Design
from lossbench.report.stats.summary import Summary
from lossbench.report.stats.verdict import PairedComparison


@dataclass(frozen=True)
class Comparison:
    """Arms compared with a baseline.

    Args:
        metric: what was compared.
        unit: how it is shown.
        margin: differences below it do not matter, stored unit; None where none is stated or customary.
        arms: the baseline first, then from the best mean to the worst.
        baseline: the arm that the others are compared with; None where the runs have none.
        summaries: label -> the scores of the arm, those of diverged runs included, stored unit.
        scores: label -> unit -> score; a diverged run scores what guessing scores, or else the worst of the study.
        paired: label -> paired comparison with the baseline, stored unit, positive is better; arms without common seeds
            are missing.
        common: label -> units in which the arm and the baseline both have an outcome.
        chosen: whether the baseline is one of several settings of its loss, the best of them on the validation split.
        frozen: whether every seed gave the same run, so that seeds decide nothing and one of them is kept.
        unrecorded: why the look could not be recorded, if so.
        doubts: why the record of earlier looks may not be whole, a clause each.
        head: the hash of the journal's last line that this comparison saw; empty where there is no journal.
        without_examples: why the intervals do not cover other test examples, if so.
        damaged: predictions that could not be read, with the reason.
        answers: which test examples the runs got right, read where they are asked for.
        provisional: runs of these arms that are still to be done; while there are any, nothing is judged and no look is
            taken.
        standing: label -> units and look with which an earlier report found it better or worse, where these runs alone
            would not.
        diverged: label -> units whose training became NaN or infinite.
        unfinished: label -> units that failed for another reason: data that are missing.
        collapsed: label -> units whose score is far below the others'.
        kind: what a unit is: a replicate, or a seed on one split.
        design: how the units share test examples: folds, one published test set, or one split.
        family: comparisons that were planned, at least those here; p-values are corrected for all of them.
        questions: looks at these runs so far, with other metrics, margins, baselines or units, this one included.
        copies: runs that are there twice, of which one counts.
        instead: the metric that the runs monitor, where it cannot be compared.
        barred: label -> words, better or worse, that may not be said of it.
        twin: label of the arm that is the baseline once more, tuned anew; empty where there is none.
        baselines: labels of the arms that others are compared with, where there is one at each dose of the data.
    """

    metric: str
    unit: Unit
    margin: float | None
    arms: Sequence[Arm]
    baseline: Arm | None
    summaries: Mapping[str, Summary]
    scores: Mapping[str, Mapping[int, float]] = field(default_factory=dict[str, Mapping[int, float]])
    paired: Mapping[str, PairedComparison] = field(default_factory=dict[str, PairedComparison])
    common: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    chosen: bool = False
    frozen: bool = False
    unrecorded: str | None = None
    doubts: Sequence[str] = ()
    head: str = ""
    without_examples: str | None = None
    damaged: Sequence[str] = ()
    answers: RightAnswers = field(default_factory=RightAnswers, repr=False, compare=False)
    provisional: int = 0
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    diverged: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    unfinished: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    collapsed: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    kind: Literal["replicate", "seed"] = "seed"
    design: Design = "split"
    family: int = 0
    questions: int = 1
    copies: int = 0
    instead: str | None = None
    barred: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    twin: str = ""
    baselines: frozenset[str] = frozenset()

    @property
    def others(self) -> list[Arm]:
        """All arms but the baseline."""
        return [arm for arm in self.arms if not self.is_baseline(arm)]

    def is_baseline(self, arm: Arm) -> bool:
        """Whether others are compared with an arm."""
        return arm is self.baseline or arm.label in self.baselines

    @property
    def rivals(self) -> dict[str, PairedComparison]:
        """Label -> paired comparison of every other loss: all but the twin."""
        return {label: pair for label, pair in self.paired.items() if label != self.twin}

    @property
    def runs(self) -> list[Record]:
        """The runs of all arms that are done."""
        return [run for arm in self.arms for run in arm.runs.values()]

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1."""
        return 1 if self.unit.higher_is_better else -1

    @property
    def split(self) -> str:
        """The split that the metric was measured on: "val" or "test"."""
        return self.metric.partition("/")[0]

    @property
    def monitored(self) -> str:
        """The validation metric of the same name as the compared one."""
        return f"val/{self.metric.rpartition('/')[2]}"
