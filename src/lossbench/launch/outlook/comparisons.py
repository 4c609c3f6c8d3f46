"""The comparisons that a sweep plans: who is compared with whom, by what, over which replicates or seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.runs import SizeOf, Sizes
from lossbench.metrics.units import Unit, unit_of
from lossbench.report.baseline import OTHER_DEFAULT
from lossbench.report.comparable import COMPARED
from lossbench.report.formatting import counted, format_difference
from lossbench.report.settings import describe_settings, differing_settings
from lossbench.report.spec import DEFAULT_BASELINE, ComparisonSpec
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import identity, identity_hash

SHOWN = 12  # losses that are named


@dataclass(frozen=True)
class PlannedComparison:
    """Arms that will be compared with a baseline.

    Args:
        config: of one of the runs.
        metric: what is compared.
        margin: differences below it do not matter, stored unit; None where none is stated or customary.
        baseline: label of the arm that the others are compared with.
        others: labels of the others; several settings of the baseline's loss are among them.
        units: the fewest replicates or seeds that an arm shares with the baseline.
        sizes: of one of the runs.
    """

    config: RunConfig
    metric: str
    margin: float | None
    baseline: str
    others: Sequence[str]
    units: int
    sizes: Sizes

    @property
    def unit(self) -> Unit:
        """How the metric is shown."""
        return unit_of(self.metric)

    def counted_units(self, n: int | None = None) -> str:
        """Word a number of its units: "12 replicates"."""
        return counted(self.units if n is None else n, self.config.kind)

    def question(self) -> str:
        """The question that the journal will hold."""
        margin = "no margin"
        if self.margin is not None:
            margin = f"margin {format_difference(self.margin, self.unit)}"
        return f"{self.metric} against {self.baseline}, {margin}, {self.counted_units()}"

    def family(self) -> str:
        """The family that the journal will hold."""
        more = "" if len(self.others) <= SHOWN else f", ... and {len(self.others) - SHOWN} more"
        return f"{counted(len(self.others), 'comparison')}: {', '.join(self.others[:SHOWN])}{more}"


def planned_comparisons(configs: Sequence[RunConfig], sizes: SizeOf, spec: ComparisonSpec) -> list[PlannedComparison]:
    """List the comparisons that the reports of a sweep will hold; a set without a baseline, or with it alone, has none.

    Args:
        configs: of all valid runs.
        sizes: counts their examples.
        spec: what the report compares.
    """
    sets: dict[str, dict[str, list[int]]] = {}
    for k, config in enumerate(configs):
        sets.setdefault(_common(config), {}).setdefault(identity_hash(config.record), []).append(k)
    found = [_comparison(configs, sizes, arms, spec) for arms in sets.values()]
    return [each for each in found if each is not None]


def _common(config: RunConfig) -> str:
    """What the runs of one report have in common, as text."""
    kept = {key: value for key, value in identity(config.record).items() if not key.startswith(COMPARED)}
    return json.dumps([config.study, kept], sort_keys=True, default=repr)


def _comparison(
    configs: Sequence[RunConfig], sizes: SizeOf, arms: Mapping[str, list[int]], spec: ComparisonSpec
) -> PlannedComparison | None:
    first = {digest: configs[places[0]] for digest, places in arms.items()}
    labels = _labels(first)
    baseline = _baseline(labels, first, spec)
    if baseline is None or len(arms) == 1:
        return None
    units = {digest: _units(configs, places) for digest, places in arms.items()}
    config, others = first[baseline], [digest for digest in arms if digest != baseline]
    metric = spec.metric or config.monitor.replace("val/", "test/", 1)
    return PlannedComparison(
        config=config,
        metric=metric,
        margin=_margin(spec, metric),
        baseline=labels[baseline],
        others=[labels[digest] for digest in others],
        units=min(len(units[digest] & units[baseline]) for digest in others),
        sizes=sizes(config),
    )


def _margin(spec: ComparisonSpec, metric: str) -> float | None:
    return spec.margin if spec.margin is not None else unit_of(metric).margin


def _units(configs: Sequence[RunConfig], places: Sequence[int]) -> set[int]:
    return {configs[k].unit for k in places}


def _labels(configs: Mapping[str, RunConfig]) -> dict[str, str]:
    settings = differing_settings({digest: flatten(config.record) for digest, config in configs.items()})
    return {
        digest: f"{config.loss.name} {describe_settings(settings[digest])}".strip()
        for digest, config in configs.items()
    }


def _baseline(labels: Mapping[str, str], configs: Mapping[str, RunConfig], spec: ComparisonSpec) -> str | None:
    """The arm that is named; of several settings of a loss the first stands for the one that validation will choose."""
    names = [spec.baseline, OTHER_DEFAULT] if spec.baseline == DEFAULT_BASELINE else [spec.baseline]
    for name in names:
        for digest, label in labels.items():
            if name in (label, configs[digest].loss.name):
                return digest
    return None
