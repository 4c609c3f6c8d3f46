"""What limits a fair fight: what failed or was left out of the search, then what limits any comparison."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lossbench.report.caveats.epochs import about_epochs
from lossbench.report.caveats.examples import about_metric, about_scale, about_test_set
from lossbench.report.caveats.looks import about_looks
from lossbench.report.caveats.runs import about_best, about_damage, about_origin
from lossbench.report.caveats.seeds import about_seeds, named
from lossbench.report.formatting import counted, format_difference
from lossbench.report.outcomes import has_diverged
from lossbench.report.tuned.comparison import FairFight
from lossbench.report.tuned.edges import Edge

LEAST = 8  # trials a searched setting


def find_caveats(fight: FairFight) -> list[str]:
    """List what limits a fair fight, one sentence each, in the order of the report."""
    findings = fight.findings
    return [
        *about_control(fight),
        *about_ranges(fight),
        *about_fruitless(fight),
        *about_what_was_tuned(fight),
        *about_refits(fight),
        *about_metric(findings),
        *about_seeds(findings),
        *about_looks(findings),
        *about_test_set(findings),
        *about_scale(findings),
        *about_epochs(findings),
        *about_best(findings),
        *about_damage(findings),
        *about_origin(findings),
    ]


def about_control(fight: FairFight) -> Iterator[str]:
    """A twin of the baseline that was found better or worse than it."""
    control = fight.control
    if control is not None and fight.control_failed:
        difference = format_difference(control.mean, fight.comparison.unit, signed=True)
        yield (
            f"This study's error control failed: {fight.comparison.twin} is {fight.plan.baseline} again, with trials "
            f"of its own, and was found {control.verdict} ({difference}). Where the method is right that happens in at "
            "most 5 % of studies; believe no verdict here before another study with other replicates."
        )


def about_ranges(fight: FairFight) -> Iterator[str]:
    """Ranges that were too narrow, what is therefore not said, and how to ask again."""
    for label, edges in fight.narrow.items():
        if label == fight.comparison.twin:
            continue
        said = "; ".join(f"{edge.dimension.key} lies {edge.words}" for edge in edges)
        so = f"{_unsaid(label, fight)}{_again(edges, fight)}"
        yield f"The range searched for {label} was too narrow: the winner's {said}, so {so}."


def _unsaid(label: str, fight: FairFight) -> str:
    baseline = fight.comparison.baseline
    if baseline is not None and baseline.label == label:
        return "no loss is called better than it"
    return "it is not called worse"


def _again(edges: Sequence[Edge], fight: FairFight) -> str:
    """The overrides that ask the question again with a wider range."""
    wider = " ".join(filter(None, (edge.wider for edge in edges)))
    return f"; {wider} parent={fight.plan.hash[:8]} asks again with a wider one" if wider else ""


def about_fruitless(fight: FairFight) -> Iterator[str]:
    """Losses of which every trial diverged: what was tested there is the default, which nothing chose."""
    chosen = fight.refits.tuned.winners.values()
    for row in fight.plan.rows:
        count = sum(winners.rows[row.name].winner.score is None for winners in chosen)
        if count and not row.is_twin:
            yield (
                f"Every trial of {row.name} diverged in {count} of {counted(len(chosen), 'replicate')}, where its "
                "default was tested: other ranges may hold settings that it can be trained with."
            )


def about_what_was_tuned(fight: FairFight) -> Iterator[str]:
    """Numbers that were not searched, another metric than the one that chose, few trials."""
    plan, comparison = fight.plan, fight.comparison
    searched = sorted({each.key for row in plan.rows for each in row.space.dimensions})
    if not any(row.space.own for row in plan.rows):
        yield (
            f"Only {', '.join(searched)} {'was' if len(searched) == 1 else 'were'} searched; the losses' own numbers "
            "are the published ones (search.own=both searches them too, as further rows)."
        )
    if comparison.monitored != plan.monitor:
        yield f"Settings were chosen by {plan.monitor}, so {comparison.metric} may be better at others."
    most = max(len(row.space.dimensions) for row in plan.rows)
    if plan.trials < LEAST * most:
        few = f"{counted(plan.trials, 'trial')} are few for {counted(most, 'searched setting')}"
        yield f"{few}: what was chosen is chance in part."


def about_refits(fight: FairFight) -> Iterator[str]:
    """Replicates of which trials failed, and refits without a result that are no outcome."""
    failed = fight.refits.failed
    if failed:
        yield (
            f"Trials of {named(failed, 'replicate')} failed for another reason than divergence, so nothing was chosen "
            "there; the same command runs what is missing."
        )
    lost = [run for run in fight.refits.missing if run.state == "failed" and not has_diverged(run)]
    between = {run.path for run in lost} - _after_all(fight)
    if between:
        yield f"{counted(len(between), 'refit')} of what was chosen after fewer trials failed; their points lack them."


def _after_all(fight: FairFight) -> set[Path]:
    """The refits that the verdicts are about."""
    return {run.path for row in fight.plan.rows for run in fight.refits.of(row, fight.plan.trials).values()}
