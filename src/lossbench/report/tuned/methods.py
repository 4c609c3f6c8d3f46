"""How settings were chosen, in words: for the page, for methods.txt and for the caption of a LaTeX table."""

from collections.abc import Iterator

from lossbench.meter import duration
from lossbench.report.formatting import counted, numbers
from lossbench.report.tuned.budget import total_seconds, total_trials
from lossbench.report.tuned.comparison import FairFight
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import Plan

POINTS = (
    "the first trial is the declared default, the others are points of a scrambled Sobol sequence, drawn anew in each "
    "replicate and in the optimiser's settings the same for every loss"
)


def tuning_described(fight: FairFight) -> dict[str, str]:
    """What a reader needs to know of the budget, of the search and of the plan: heading -> sentence."""
    plan, refits = fight.plan, fight.refits
    replicates = [*refits.tuned.winners]
    return {
        "budget": (
            f"{counted(plan.trials, 'trial')} of {plan.steps:,} steps for every loss in each of "
            f"{counted(len(replicates), 'replicate')} ({numbers(replicates)}); {total_trials(refits):,} trials and "
            f"{len(refits.done):,} refits took {duration(total_seconds(refits))} of training"
        ),
        "search": f"{_ranges(plan)}; the best {plan.monitor} of the trials is trained anew and tested",
        "plan": f"{plan.hash}{_parent(plan)}",
    }


def _parent(plan: Plan) -> str:
    return f", continues {plan.parent}" if plan.parent else ""


def _ranges(plan: Plan) -> str:
    """The ranges that all rows share, and those of their own numbers."""
    shared = [_range(each) for each in plan.rows[0].space.shared]
    own = [f"{_range(each)} for {row.name}" for row in plan.rows for each in row.space.own]
    return ", ".join([*shared, *own])


def _range(dimension: Dimension) -> str:
    spread = "log-uniform" if dimension.scale == "log" else "uniform"
    limit = f" of {dimension.upper}" if dimension.upper else ""
    return f"{dimension.key} {spread} in {dimension.low:.3g} to {dimension.high:.3g}{limit}"


def tuning_methods(fight: FairFight) -> Iterator[str]:
    """How settings were chosen: sentences for a paper."""
    plan, replicates = fight.plan, numbers([*fight.refits.tuned.winners])
    yield (
        f"every loss was tuned anew in each replicate ({replicates}) with {counted(plan.trials, 'trial')} of "
        f"{plan.steps:,} steps ({_ranges(plan)}): {POINTS}"
    )
    yield (
        f"the trial with the best {plan.monitor} was chosen, ties by the scaled NLL of the validation examples; no "
        "trial was tested, and diverged ones rank last; what was chosen was trained again with a fresh seed and tested"
    )
    if fight.comparison.twin:
        yield f"a twin of {plan.baseline}, tuned with points of its own, was one more loss, as a negative control"
    if fight.narrow:
        yield (
            "a loss whose chosen setting lay in the outer 5 % of a range in over a quarter of the replicates was not "
            f"called worse, nor any better than such a baseline ({', '.join(fight.narrow)})"
        )
    yield _written(plan)


def _written(plan: Plan) -> str:
    """When the plan was made: a child plan follows results of the same study."""
    if plan.parent is None:
        return f"the plan, written before the first run, has the SHA-256 {plan.hash}"
    return (
        f"the plan has the SHA-256 {plan.hash}; it asks another question of a study whose first answers, to the plan "
        f"{plan.parent}, may have been known by then, and counts as a further look at the same losses"
    )


def tuning_caption(fight: FairFight) -> str:
    """A sentence for the caption of a table."""
    plan = fight.plan
    trials = counted(plan.trials, "trial")
    return f"Every loss was tuned with {trials} in each replicate by {plan.monitor}; plan {plan.hash[:12]}."
