"""Lines: one loss with its settings at every dose."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from lossbench.report.arms import Arm
from lossbench.report.doses.axis import Axis
from lossbench.report.records import SHOWN_HASH
from lossbench.report.settings import describe_settings, setting_but_for


@dataclass(frozen=True)
class Line:
    """One loss with its settings at every dose that it was trained at.

    Args:
        label: the loss, and the settings in which it differs from other lines.
        loss: name of the loss.
        arms: dose -> arm, rising; their labels are that of the line.
    """

    label: str
    loss: str
    arms: Mapping[float, Arm]

    @property
    def trend(self) -> str:
        """What names its trend in a journal: a hash of its arms, in the order of the doses."""
        return trend_hash(arm.digest for arm in self.arms.values())


def trend_hash(digests: Iterable[str]) -> str:
    """Hash what names a trend: the hashes of its arms, in the order of the doses."""
    return sha256("\n".join(["trend", *(digest[:16] for digest in digests)]).encode()).hexdigest()


def make_lines(arms: Sequence[Arm], axis: Axis) -> list[Line]:
    """Group arms that differ in the dose alone, and label them without it."""
    groups: dict[str, dict[float, Arm]] = {}
    for arm in arms:
        groups.setdefault(setting_but_for(axis.keys, arm.params), {})[axis.dose(arm.params)] = arm
    labels = {setting: _label(next(iter(members.values())), axis) for setting, members in groups.items()}
    times = Counter(labels.values())
    return [
        _line(_told_apart(labels[setting], setting, times), dict(sorted(members.items())), axis)
        for setting, members in groups.items()
    ]


def _label(arm: Arm, axis: Axis) -> str:
    settings = {key: value for key, value in arm.settings.items() if key not in axis.keys}
    return f"{arm.loss} {describe_settings(settings)}".strip()


def _told_apart(label: str, setting: str, times: Mapping[str, int]) -> str:
    return f"{label} #{sha256(setting.encode()).hexdigest()[:SHOWN_HASH]}" if times[label] > 1 else label


def _line(label: str, arms: Mapping[float, Arm], axis: Axis) -> Line:
    named = {dose: _renamed(arm, label, axis) for dose, arm in arms.items()}
    return Line(label, next(iter(named.values())).loss, named)


def _renamed(arm: Arm, label: str, axis: Axis) -> Arm:
    settings = {key: value for key, value in arm.settings.items() if key not in axis.keys}
    return replace(arm, label=label, settings=settings)
