"""From the jobs of a command to the rows of a fair fight: names, spaces, the baseline and its twin. Torch-free."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lossbench.config.composition import load_search
from lossbench.config.facts import Cache, shape_of
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, suggest
from lossbench.launch.tuned.asked import Asked
from lossbench.launch.tuned.drafts import OF_A_LOSS, Draft, labels_of, require_shared
from lossbench.launch.tuned.jobs import Entry, own_overrides
from lossbench.report.baseline import other_defaults
from lossbench.report.spec import DEFAULT_BASELINE
from lossbench.rundir.identity import identity
from lossbench.tuning.checks import check_search, own_of, require_own
from lossbench.tuning.files import hash_of
from lossbench.tuning.plan import TWIN, Row
from lossbench.tuning.spaces import Space, space_of


def entries_of(asked: Asked, drafts: Sequence[Draft], cache: Cache, baseline: str) -> tuple[list[Entry], Entry]:
    """Give the rows of a fair fight, the baseline's twin last, and which of them is the baseline.

    Args:
        asked: what the command asks.
        drafts: its losses.
        cache: of data sets.
        baseline: the loss, or the row, that the others are compared with.

    Raises:
        UserError: a range is wrong, the losses differ in more than the loss, or there is no baseline.
    """
    labels, first = labels_of(drafts), drafts[0]
    optimizer_space = load_search(first.config.optimizer.name)
    own = own_of(asked.search)
    left_out = {name for name, given in asked.search.items() if given is None}
    require_shared(drafts, labels, {*optimizer_space, *asked.search} - left_out)
    check_search(asked.search, [draft.composed for draft in drafts], optimizer_space)
    classes = shape_of(cache.source(first.config.data.source)).num_classes

    def entries_for(draft: Draft, label: str) -> Iterator[Entry]:
        names = {label: own == "tuned"} | ({f"{label}, own numbers tuned": True} if own == "both" else {})
        for name, tune_own in names.items():
            space = space_of(draft.composed, asked.search, optimizer_space, classes, tune_own)
            if name == label or space.own:
                yield Entry(_row(draft, name, space), draft.job)

    entries = [entry for draft, label in zip(drafts, labels, strict=True) for entry in entries_for(draft, label)]
    _require_fixed(entries)
    chosen = _baseline(entries, baseline, [draft.config.loss.name for draft in drafts])
    if own == "tuned":
        require_own({each.row.name: each.row.space for each in entries}, chosen.row.name)
    return [*entries, _twin(chosen)], chosen


def _row(draft: Draft, name: str, space: Space) -> Row:
    config = draft.config
    default = {each.key: _value(draft.composed, each.key) for each in space.dimensions}
    return Row(name, config.loss.name, own_overrides(draft.job), space, default, "", _digest(config, space))


def _value(composed: Mapping[str, Any], key: str) -> float:
    group, _, name = key.partition(".")
    return float(composed[group][name])


def _digest(config: RunConfig, space: Space, scramble: str = "") -> str:
    """Hash what tells an arm from its peers in every plan of a study about some data and a model.

    Budget, ranges and all that a child plan may change for all losses are left out: their arms share their looks.
    """
    known = identity(config.record)
    of_loss = {key: known.get(key) for key in OF_A_LOSS}
    about = {"data": config.data.name, "model": config.model.name}
    return hash_of({**of_loss, **about, "own": bool(space.own), "scramble": scramble})


def _twin(entry: Entry) -> Entry:
    digest = hash_of({"twin of": entry.row.digest})
    return replace(entry, row=replace(entry.row, name=f"{entry.row.name} (twin)", scramble=TWIN, digest=digest))


def _baseline(entries: Sequence[Entry], name: str, losses: Sequence[str]) -> Entry:
    names = [name, *other_defaults(losses)] if name == DEFAULT_BASELINE else [name]
    for each in names:
        found = _named(entries, each)
        if len(found) > 1:
            rows = ", ".join(repr(entry.row.name) for entry in found)
            raise UserError(f"hydra.sweeper.baseline={each} is {len(found)} rows: {rows}; give one of these names")
        if found:
            return found[0]
    hint = suggest(name, {entry.row.name for entry in entries})
    raise UserError(f"hydra.sweeper.baseline={name} is not in this sweep, add it to loss=; {hint}")


def _named(entries: Sequence[Entry], name: str) -> list[Entry]:
    """The row of a name, or else the rows of a loss."""
    found = [entry for entry in entries if entry.row.name == name]
    return found or [entry for entry in entries if entry.row.loss == name]


def _require_fixed(entries: Sequence[Entry]) -> None:
    """Refuse a setting that is searched and swept too."""
    for entry in entries:
        swept = {text.partition("=")[0].lstrip("+") for text in entry.row.overrides}
        for dimension in entry.row.space.dimensions:
            if dimension.key in swept:
                name = dimension.key.partition(".")[2]
                raise UserError(
                    f"{dimension.key} is swept and searched; leave it out of the sweep, or the search with "
                    f"search.{name}=null"
                )
