"""The answers of `lossbench transfer` as runs of the same arms, measured on the other data."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossbench.report.arms import Arm
from lossbench.report.outcomes import is_spoilt
from lossbench.report.records import SHOWN_HASH, Record
from lossbench.rundir.transferred import Transferred, answers_of, outputs_path


@dataclass(frozen=True)
class ProbedRun(Record):
    """A run as its linear probe on other data sees it: the same directory and settings, other scores and outputs.

    Args:
        answer: what was found.
        outputs: file of the probe's outputs.
    """

    answer: Transferred
    outputs: Path

    @property
    def predictions_path(self) -> Path:
        """The probe's outputs in place of the run's."""
        return self.outputs


Answers = Mapping[Path, tuple[Path, Transferred]]
"""Directory of a run -> its answer to one question, and the file."""


def read_answers(arms: Iterable[Arm]) -> dict[str, Answers]:
    """Read all answers of the runs of some arms: hash of the question -> answers, in the order of their data sets.

    Raises:
        DamagedError: a file is damaged.
    """
    found: dict[tuple[str, str], dict[Path, tuple[Path, Transferred]]] = {}
    for arm in arms:
        for run in arm.runs.values():
            for path, answer in answers_of(run.path):
                found.setdefault((answer.data, answer.question), {})[run.path] = path, answer
    return {question: answers for (_, question), answers in sorted(found.items())}


def names_of(asked: Mapping[str, Transferred]) -> dict[str, str]:
    """Name questions by their data set, and those about data sets of one name by the settings in which they differ.

    Args:
        asked: hash of the question -> one of its answers.
    """
    labels = {question: f"{answer.data} {_own_settings(answer, asked)}".strip() for question, answer in asked.items()}
    times = Counter(labels.values())
    return {
        question: f"{label} #{question[:SHOWN_HASH]}" if times[label] > 1 else label
        for question, label in labels.items()
    }


def _own_settings(answer: Transferred, asked: Mapping[str, Transferred]) -> str:
    """The settings in which an answer differs from others about a data set of its name: "label_noise=0.4"."""
    others = [each.settings for each in asked.values() if each.data == answer.data]
    own = answer.settings.items()
    differing = {key: value for key, value in own if any(other.get(key) != value for other in others)}
    return " ".join(f"{key}={value}" for key, value in differing.items())


def probed_arm(arm: Arm, answers: Answers) -> Arm:
    """Give an arm as it is on other data: runs with an answer; of features that are not finite they have diverged."""
    probed = {unit: _probed(run, *answers[run.path]) for unit, run in arm.runs.items() if run.path in answers}
    spoilt = {unit: run for unit, run in probed.items() if is_spoilt(run)}
    diverged = {**arm.diverged, **spoilt}
    return replace(
        arm,
        runs={unit: run for unit, run in probed.items() if unit not in spoilt},
        diverged=dict(sorted(diverged.items())),
    )


def _probed(run: Record, path: Path, answer: Transferred) -> ProbedRun:
    facts: dict[str, Any] = {"train_counts": {"examples": answer.n["train"]}, "folds": answer.folds}
    facts |= {name: value for name in ("pool", "groups") if (value := getattr(answer, name)) is not None}
    result = replace(
        run.done_result,
        data=answer.data,
        metrics=answer.metrics,
        half_width_95=answer.half_width_95,
        n=answer.n,
        fingerprint=answer.fingerprint,
        scale=answer.scale,
        predictions="float32",
        classes=answer.classes,
        facts=facts,
    )
    return ProbedRun(run.path, run.status, result, answer, outputs_path(path))
