"""Arms of a comparison: runs that differ in nothing but the replicate, or the seed, labelled by their settings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lossbench.report.records import SHOWN_HASH, Record
from lossbench.report.settings import comparability, describe_settings, differing_settings
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import identity_hash
from lossbench.rundir.reading import DamagedError


@dataclass(frozen=True)
class Arm:
    """Runs of one setting.

    Args:
        label: the loss, and the settings in which it differs from other arms, e.g. "cosine_prob alpha=0.5".
        loss: name of the loss.
        digest: hash of the identity.
        settings: key -> value of what differs from other arms.
        params: the flat configuration; its replicate and seed are those of one of the runs.
        runs: number of the replicate or seed -> run that is done, rising.
        diverged: number of the replicate or seed -> run that became NaN or infinite, rising.
    """

    label: str
    loss: str
    digest: str
    settings: Mapping[str, Any]
    params: Mapping[str, Any]
    runs: Mapping[int, Record]
    diverged: Mapping[int, Record] = field(default_factory=dict[int, Record])

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
        return "seed" if self.params.get("replicate") is None else "replicate"


def make_arms(records: Sequence[Record], diverged: Sequence[Record] = ()) -> list[Arm]:
    """Group runs into arms and label each by the settings in which it differs.

    Args:
        records: done runs.
        diverged: runs of the same sweep that became NaN or infinite; settings of which all did have an arm too, if
            they could be compared with the others.
    """
    groups = by_unit(records)
    params = {digest: next(iter(runs.values())).params for digest, runs in groups.items()}
    lost = _by_arm(diverged, params)
    params |= {digest: found for digest, (found, _) in lost.items() if digest not in params}
    settings = differing_settings(params)
    losses = {digest: str(params[digest]["loss.name"]) for digest in params}
    labels = {digest: f"{losses[digest]} {describe_settings(settings[digest])}".strip() for digest in params}
    times = Counter(labels.values())
    return [
        Arm(
            label=f"{label} #{digest[:SHOWN_HASH]}" if times[label] > 1 else label,
            loss=losses[digest],
            digest=digest,
            settings=settings[digest],
            params=params[digest],
            runs=groups.get(digest, {}),
            diverged=_not_done(lost, groups, digest),
        )
        for digest, label in labels.items()
    ]


Lost = tuple[Mapping[str, Any], dict[int, Record]]


def _by_arm(diverged: Sequence[Record], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Lost]:
    """Group diverged runs: hash -> settings, and unit -> run."""
    found: dict[str, Lost] = {}
    comparable = {comparability(params) for params in known.values()}
    for record in diverged:
        name = record.name
        params = _params(record, {**known, **{digest: lost for digest, (lost, _) in found.items()}})
        if name.unit is not None and params is not None and comparability(params[1]) in comparable:
            found.setdefault(params[0], (params[1], {}))[1].setdefault(name.unit, record)
    return found


def _params(record: Record, known: Mapping[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]] | None:
    """The hash and the settings of a diverged run; None where they cannot be read."""
    digest = record.name.digest
    same = next((each for each in known if digest and each.startswith(digest)), None)
    return read_params(record) if same is None else (same, known[same])


def read_params(record: Record) -> tuple[str, Mapping[str, Any]] | None:
    """Read the hash and the settings of a run that diverged; None where they cannot be read."""
    if record.result is not None:  # of outputs that are not finite
        return record.result.hash, record.params
    try:
        config = RunDirectory(record.path).record
    except DamagedError:  # the run is named among those that have no row
        return None
    return identity_hash(config), flatten(config)


def _not_done(lost: Mapping[str, Lost], groups: Mapping[str, Mapping[int, Record]], digest: str) -> dict[int, Record]:
    _, runs = lost.get(digest, ({}, {}))
    return {unit: run for unit, run in sorted(runs.items()) if unit not in groups.get(digest, {})}


def by_unit(records: Iterable[Record]) -> dict[str, dict[int, Record]]:
    """Group done runs: hash -> replicate or seed -> run, rising. Of two copies of one run the first counts."""
    groups: dict[str, dict[int, Record]] = {}
    for record in records:
        if record.result is not None:
            groups.setdefault(record.result.hash, {}).setdefault(record.result.unit, record)
    return {digest: dict(sorted(runs.items())) for digest, runs in groups.items()}
