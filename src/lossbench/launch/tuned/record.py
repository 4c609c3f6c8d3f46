"""A plan goes on disk, and into the journal of its study, before its first trial. Torch-free."""

from typing import Any

from lossbench.launch.tuned.fight import Fight
from lossbench.report.journal import append, read_journal
from lossbench.report.plans import SHOWN
from lossbench.rundir.contents import check_places
from lossbench.rundir.files import make_folder
from lossbench.tuning.study import plan_path


def record_plan(fight: Fight) -> None:
    """Write plan.json where it is not there yet, and a line of the journal for new replicates.

    Raises:
        UserError: they cannot be written.
    """
    plan, study = fight.plan, fight.asked.folder
    check_places(study)
    make_folder(fight.folder)
    check_places(fight.folder.parent, fight.folder)
    plan.write(plan_path(fight.folder))
    units = [*fight.replicates]
    entry: dict[str, Any] = {
        "what": "plan",
        "arms": {row.digest[:SHOWN]: {"loss": row.loss, "row": row.name, "units": units} for row in plan.rows},
        "baseline": plan.baseline,
        "metric": plan.metric,
        "margin": plan.margin,
        "plan": plan.hash,
        "parent": plan.parent,
        "trials": plan.trials,
    }
    if not any(all(line.get(key) == value for key, value in entry.items()) for line in read_journal(study).entries):
        append(study, entry)
