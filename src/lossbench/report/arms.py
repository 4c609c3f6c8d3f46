"""Arms of a comparison: runs that differ in nothing but the replicate, or the seed, labelled by their settings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lossbench.report.records import SHOWN_HASH, Record
from lossbench.report.settings import describe_settings, differing_settings


@dataclass(frozen=True)
class Arm:
    """Runs of one setting.

    Args:
        label: the loss, and the settings in which it differs from other arms, e.g. "cosine_prob alpha=0.5".
        loss: name of the loss.
        digest: hash of the identity.
        settings: key -> value of what differs from other arms.
        runs: number of the replicate or seed -> run, rising.
    """

    label: str
    loss: str
    digest: str
    settings: Mapping[str, Any]
    runs: Mapping[int, Record]

    def scores(self, metric: str) -> dict[int, float]:
        """Replicate or seed -> value of a metric; runs that lack it are left out."""
        values = {unit: run.metrics.get(metric) for unit, run in self.runs.items()}
        return {unit: float(value) for unit, value in values.items() if value is not None}

    def values(self, metric: str) -> np.ndarray:
        """(n,) values of a metric, by replicate or seed; runs that lack it are left out."""
        return np.array(list(self.scores(metric).values()), dtype=float)

    @property
    def kind(self) -> Literal["replicate", "seed"]:
        """What tells its runs apart."""
        return next(iter(self.runs.values())).done_result.kind

    @property
    def params(self) -> Mapping[str, Any]:
        """The flat configuration (its seed is that of one of the runs)."""
        return next(iter(self.runs.values())).params


def make_arms(records: Sequence[Record]) -> list[Arm]:
    """Group done runs into arms and label each by the settings in which it differs."""
    groups = by_unit(records)
    params = {digest: next(iter(runs.values())).params for digest, runs in groups.items()}
    settings = differing_settings(params)
    losses = {digest: str(params[digest]["loss.name"]) for digest in groups}
    labels = {digest: f"{losses[digest]} {describe_settings(settings[digest])}".strip() for digest in groups}
    times = Counter(labels.values())
    return [
        Arm(
            label=f"{label} #{digest[:SHOWN_HASH]}" if times[label] > 1 else label,
            loss=losses[digest],
            digest=digest,
            settings=settings[digest],
            runs=groups[digest],
        )
        for digest, label in labels.items()
    ]


def by_unit(records: Iterable[Record]) -> dict[str, dict[int, Record]]:
    """Group done runs: hash -> replicate or seed -> run, rising. Of two copies of one run the first counts."""
    groups: dict[str, dict[int, Record]] = {}
    for record in records:
        if record.result is not None:
            groups.setdefault(record.result.hash, {}).setdefault(record.result.unit, record)
    return {digest: dict(sorted(runs.items())) for digest, runs in groups.items()}
