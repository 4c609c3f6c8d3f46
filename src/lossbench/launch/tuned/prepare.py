"""From a command line to a fair fight that is checked; nothing is written. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from lossbench.config.composition import load_yardstick, plain
from lossbench.config.facts import Cache
from lossbench.config.resolve import Check, resolve
from lossbench.config.schema import RunConfig
from lossbench.launch.check_spec import check_spec
from lossbench.launch.compose import Composer
from lossbench.launch.expand import Job, expand
from lossbench.launch.outlook.runs import SizeOf
from lossbench.launch.outlook.way import Way
from lossbench.launch.tuned.asked import asked_of
from lossbench.launch.tuned.drafts import drafts_of
from lossbench.launch.tuned.fight import Fight
from lossbench.launch.tuned.outlook import USUAL, Kinds, outlook_of, refits_in
from lossbench.launch.tuned.question import of_budget, plan_of, plans_beside, settled
from lossbench.launch.tuned.rows import entries_of
from lossbench.report.spec import ComparisonSpec
from lossbench.report.stats.sequential import least_units
from lossbench.tuning.budget import Cost, Rung, choose
from lossbench.tuning.checks import check_trials
from lossbench.tuning.plan import Plan


def prepared(
    params: Mapping[str, Any],
    typed: Sequence[str],
    loader: ConfigLoader,
    master: DictConfig,
    spec: ComparisonSpec,
    check_supported: Check,
    way: Way,
) -> tuple[Fight, Kinds]:
    """Check what a command asks.

    Args:
        params: what the sweeper's configuration sweeps.
        typed: overrides of the command line.
        loader: Hydra's.
        master: the configuration of the multirun.
        spec: what the report compares.
        check_supported: raises UserError for a configuration that the launcher cannot run.
        way: how runs are brought to their results.

    Returns:
        The fair fight, and one trial and one refit of each row.

    Raises:
        UserError: a mistake anywhere.
    """
    composed = plain(OmegaConf.masked_copy(master, [str(key) for key in master if key != "hydra"]))
    asked = asked_of(params, typed, composed, lambda words: expand(words, loader))
    compose, cache = Composer(loader, master), Cache()
    drafts = drafts_of(asked, expand(asked.arguments, loader), compose, cache, check_supported)
    check_spec(spec, [draft.config for draft in drafts])
    entries, baseline = entries_of(asked, drafts, cache, spec.baseline)
    config = drafts[0].config
    plan = plan_of(asked, entries, baseline, config, SizeOf(cache)(config).steps, spec)
    fight = Fight(asked, plan, asked.replicates, entries, spec, compose, check_supported, cache)
    kinds = _kinds(fight, config)
    known = plans_beside(plan, asked)
    if asked.budget is not None:
        plan = of_budget(plan, known) or _within(fight, asked.budget, kinds, way)
        fight = replace(fight, replicates=plan.replicates)
    check_trials(plan.trials, {row.name: row.space for row in plan.rows})
    plan = settled(plan, known, asked.parent)
    by_name = {entry.row.name: entry for entry in entries}  # the plan on disk may have them in another order
    return replace(fight, plan=plan, entries=[by_name[row.name] for row in plan.rows]), kinds


def _kinds(fight: Fight, config: RunConfig) -> Kinds:
    """A trial and a refit of each row, at the declared settings in the first replicate."""

    def resolved(job: Job) -> RunConfig:
        return resolve(fight.compose(job), load_yardstick, fight.cache, fight.check_supported)

    first, asked = fight.replicates[0], fight.asked
    trials = [resolved(each.trial(asked.trials_study, first, 1, each.row.default)) for each in fight.entries]
    refits = [resolved(each.refit(asked.tuned_study, first, each.row.default)) for each in fight.entries]
    return Kinds(trials, refits)


def _within(fight: Fight, minutes: float, kinds: Kinds, way: Way) -> Plan:
    """Choose trials and replicates for a time.

    Raises:
        UserError: it is too short for the least that can decide.
    """
    trials, replicates = USUAL
    usual = replace(fight, plan=replace(fight.plan, trials=trials))
    runs, tested = len(fight.entries) * trials * replicates, refits_in(usual, replicates)
    times = outlook_of(fight, kinds, way).times(runs, tested)
    cost = Cost(len(fight.entries), times.trials / runs, times.refits / tested, times.once)
    dimensions = max(len(entry.row.space.dimensions) for entry in fight.entries)
    rung: Rung = choose(minutes, cost, dimensions, least_units() or 1)
    return replace(fight.plan, trials=rung.trials, replicates=tuple(range(rung.replicates)))
