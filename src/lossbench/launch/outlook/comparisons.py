"""The comparisons that a sweep plans: who is compared with whom, by what, over which replicates or seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.runs import SizeOf, Sizes
from lossbench.metrics.units import Unit, unit_of
from lossbench.report.baseline import OTHER_DEFAULT
from lossbench.report.doses.axis import Axis, axis_among, without_dose
from lossbench.report.formatting import counted, format_difference
from lossbench.report.looks import History
from lossbench.report.settings import comparability, describe_settings, differing_settings
from lossbench.report.spec import DEFAULT_BASELINE, ComparisonSpec
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import identity_hash

if TYPE_CHECKING:  # scipy takes a second to import
    from lossbench.report.stats.differences import Design

SHOWN = 12  # losses that are named
DIGITS = 16  # of a hash, in a journal


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
        digests: hash of the baseline, then of the others.
        before: comparisons with this baseline that were planned or reported before, beside these.
        look: how many times these comparisons will have been judged.
        beside: comparisons at other doses of the data, and trends over them, that are judged together with these.
    """

    config: RunConfig
    metric: str
    margin: float | None
    baseline: str
    others: Sequence[str]
    units: int
    sizes: Sizes
    digests: Sequence[str] = ()
    before: int = 0
    look: int = 1
    beside: int = 0

    @property
    def design(self) -> "Design":
        """How the units share test examples."""
        if self.sizes.folds is not None:
            return "folds"
        return "split" if self.config.kind == "seed" else "published"

    @property
    def corrected_for(self) -> int:
        """Comparisons that p-values are corrected for."""
        return len(self.others) + max(self.before, self.beside)  # the journal may have those beside already

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
        look = "" if self.look == 1 else f", look {self.look} at these runs"
        return f"{self.metric} against {self.baseline}, {margin}, {self.counted_units()}{look}"

    def family(self) -> str:
        """The family that the journal will hold."""
        more = "" if len(self.others) <= SHOWN else f", ... and {len(self.others) - SHOWN} more"
        before = f"; {self.before} more were planned before, and count too" if self.before > self.beside else ""
        if self.beside and not before:
            before = f"; {self.beside} more at other doses of the data, and trends over them, count too"
        return f"{counted(len(self.others), 'comparison')}: {', '.join(self.others[:SHOWN])}{more}{before}"

    def after(self, history: History) -> "PlannedComparison":
        """The same after what the journal of its study says: the family is wider, and it may be a later look."""
        baseline, *others = [digest[:DIGITS] for digest in self.digests]
        looks = max((len(history.seen.get(arm, ())) for arm in others), default=0)
        return replace(self, before=len(history.family(baseline) - {*others}), look=1 + looks)


def planned_comparisons(configs: Sequence[RunConfig], sizes: SizeOf, spec: ComparisonSpec) -> list[PlannedComparison]:
    """List the comparisons that the reports of a sweep will hold; a set without a baseline, or with it alone, has none.

    Args:
        configs: of all valid runs.
        sizes: counts their examples.
        spec: what the report compares.
    """
    sets: dict[tuple[str, str], dict[str, list[int]]] = {}
    for k, config in enumerate(configs):
        common = (config.study, comparability(flatten(config.record)))
        sets.setdefault(common, {}).setdefault(identity_hash(config.record), []).append(k)
    found = [_comparison(configs, sizes, arms, spec) for arms in sets.values()]
    return _with_doses([each for each in found if each is not None])


def _with_doses(found: Sequence[PlannedComparison]) -> list[PlannedComparison]:
    """Count for each comparison those at other doses of its data, and a trend for each loss."""
    settings = [flatten(each.config.record) for each in found]
    axis = axis_among(settings)
    if axis is None:
        return list(found)
    families: dict[tuple[str, str], list[int]] = {}
    for each, one in zip(found, settings, strict=True):
        families.setdefault(_family(each, one, axis), []).append(len(each.others))
    counts = [families[_family(each, one, axis)] for each, one in zip(found, settings, strict=True)]
    return [
        replace(each, beside=sum(others) - len(each.others) + max(others)) if len(others) > 1 else each
        for each, others in zip(found, counts, strict=True)
    ]


def _family(comparison: PlannedComparison, settings: Mapping[str, Any], axis: Axis) -> tuple[str, str]:
    return comparison.config.study, comparability(without_dose(settings, axis))


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
        digests=[baseline, *others],
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
