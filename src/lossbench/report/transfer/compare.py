"""The arms of a comparison judged by a linear probe on their features of other data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from lossbench.errors import UserError
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.pairing import Frame
from lossbench.report.scored import score_arms, with_verdicts
from lossbench.report.spec import DEFAULT_BASELINE, ComparisonSpec
from lossbench.report.transfer.answers import Answers, ProbedRun, names_of, probed_arm, read_answers

USUAL = "test/accuracy"


@dataclass(frozen=True)
class TransferComparison:
    """Losses compared by what their features are worth on other data.

    Args:
        data: name of the other data, with the settings that tell it from another question of the same name.
        question: hash of what was asked.
        home: the comparison on the runs' own data.
        away: the same arms, scored by linear probes on the other data.
        lacking: runs that are done and have no answer.
    """

    data: str
    question: str
    home: Comparison
    away: Comparison
    lacking: int

    @property
    def probed(self) -> list[ProbedRun]:
        """All runs with an answer."""
        return [run for run in self.away.runs if isinstance(run, ProbedRun)]

    def separation(self, label: str, where: str) -> float | None:
        """Give the mean class separation of an arm, home or away; None where it is not measured."""
        runs = next(arm.runs for arm in self.away.arms if arm.label == label).values()
        values = [run.answer.class_separation[where] for run in runs if isinstance(run, ProbedRun)]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None


def find_transfers(home: Comparison, plan: str = "") -> list[TransferComparison]:
    """Judge the arms of a comparison on every other data set that their features were probed on.

    Each data set is a question of its own: a look at these runs, and p-values are corrected for earlier ones.

    Args:
        home: the comparison on the runs' own data, made before.
        plan: hash of the plan of tuned losses; empty of plain runs.

    Raises:
        UserError: no run was probed, or none of the baseline's.
    """
    asked = read_answers(home.arms)
    if not asked:
        study = home.runs[0].study if home.runs else "the study"
        raise UserError(
            f"no run of this comparison was probed on other data: lossbench transfer {study} data=NAME does it"
        )
    names = names_of({question: next(iter(answers.values()))[1] for question, answers in asked.items()})
    return [_transfer(home, question, names[question], answers, plan) for question, answers in asked.items()]


def _transfer(home: Comparison, question: str, data: str, answers: Answers, plan: str) -> TransferComparison:
    probed = [probed_arm(arm, answers) for arm in home.arms]
    arms = [arm for arm in probed if arm.runs or arm.diverged]
    _require_baseline(home, arms, data)
    away, outcomes = score_arms(arms, _spec(home, arms))
    lacking = sum(run.path not in answers for run in home.runs)
    away = replace(
        away,
        provisional=home.provisional + lacking,
        unfinished=home.unfinished,
        frozen=home.frozen,
        barred=home.barred,
        twin=home.twin,
    )
    if away.baseline is not None:
        asked = sha256(f"{plan}{question}".encode()).hexdigest()
        away = with_verdicts(away, away.baseline, outcomes, Frame(plan=asked))
    return TransferComparison(data, question, home, away, lacking)


def _spec(home: Comparison, arms: Sequence[Arm]) -> ComparisonSpec:
    """The baseline at home, its metric and margin where probes have that metric, else the accuracy."""
    runs = [run for arm in arms for run in arm.runs.values()]
    baseline = home.baseline.label if home.baseline else DEFAULT_BASELINE
    if all(home.metric in run.metrics for run in runs):
        return ComparisonSpec(baseline, home.metric, home.margin)
    return ComparisonSpec(baseline, USUAL, None)


def _require_baseline(home: Comparison, arms: Sequence[Arm], data: str) -> None:
    if home.baseline is not None and home.baseline.label not in {arm.label for arm in arms}:
        raise UserError(
            f"no run of the baseline {home.baseline.label} was probed on {data}: "
            f"lossbench transfer {home.runs[0].study} with the same data probes all that are done"
        )
