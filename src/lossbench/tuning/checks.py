"""What is wrong with a search as a whole, found before anything runs. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lossbench.config.plain import is_mapping
from lossbench.config.searched import without_ranges
from lossbench.config.values import choice
from lossbench.errors import UserError, suggest
from lossbench.tuning.ranges import numbers_of
from lossbench.tuning.spaces import OWN, Space, declared_of, parted

OPTIONS = ("published", "tuned", "both")
FEWEST = 8
"""Trials for each dimension: fewer leave most of the search's gain to luck."""


def own_of(search: object) -> Literal["published", "tuned", "both"]:
    """Give search.own.

    Raises:
        UserError: search is no mapping, or own has another value.
    """
    if not is_mapping(search):
        raise UserError(f"search must hold ranges by name, got {search!r}; type search.own=tuned or search.lr=[1e-4,1]")
    own = search.get(OWN)
    try:
        choice("search.own", own, OPTIONS)
    except ValueError as error:
        raise UserError(str(error)) from error
    return own  # pyright: ignore[reportReturnType] - it is one of the options


def check_search(
    search: Mapping[str, Any], composed: Sequence[Mapping[str, Any]], optimizer_space: Mapping[str, Any]
) -> None:
    """Refuse typed ranges of settings that nobody has, and of losses' own numbers where those stay as published.

    Args:
        search: as typed: own, and name -> range, null or a mapping.
        composed: a configuration for each loss, all with the same optimiser.
        optimizer_space: name -> range of the optimiser's settings.

    Raises:
        UserError: names the setting.
    """
    own, optimizer = own_of(search), composed[0]["optimizer"]
    _, of_losses = parted(search, optimizer, optimizer_space)
    losses = [each["loss"] for each in composed]
    known = {name for loss in losses for name in (*declared_of(loss), *without_ranges(loss))}
    shown = {*optimizer_space, *numbers_of(optimizer)}
    for loss in losses:
        shown |= {*declared_of(loss), *numbers_of(loss)}
    for name, value in of_losses.items():
        if name not in known:
            raise UserError(f"search.{name}: neither the optimizer nor a loss has {name}; {suggest(name, shown)}")
        if own == "published" and value is not None:
            raise UserError(
                f"search.{name} is a range of a loss's own number, and search.own=published leaves those as they are; "
                "add search.own=tuned or search.own=both"
            )


def require_own(spaces: Mapping[str, Space], baseline: str) -> None:
    """Refuse search.own=tuned where a loss has no number of its own to tune; the baseline needs none.

    Args:
        spaces: loss -> what is searched for it.
        baseline: the loss that the others are compared with.

    Raises:
        UserError: names the losses.
    """
    lacking = [name for name, space in spaces.items() if not space.own and name != baseline]
    if lacking:
        raise UserError(
            f"search.own=tuned, but loss={','.join(lacking)} has no range of its own; give it one with "
            "'search.NAME={range:[LOW,HIGH],scale:log}', or use search.own=both, where such a loss enters once"
        )


def check_trials(trials: int, spaces: Mapping[str, Space]) -> None:
    """Refuse too few trials for the number of settings searched.

    Args:
        trials: for each loss and replicate.
        spaces: row -> what is searched for it.

    Raises:
        UserError: says how many are needed, and why.
    """
    row, space = max(spaces.items(), key=lambda item: len(item[1].dimensions))
    needed = FEWEST * len(space.dimensions)
    if trials < needed:
        names = [each.key for each in space.dimensions]
        searched = (
            f"1 setting is searched ({names[0]})"
            if len(names) == 1
            else f"{len(names)} settings are searched ({', '.join(names)})"
        )
        raise UserError(
            f"trials={trials} is too few for {row}, of which {searched}: {FEWEST} for each are needed, "
            f"trials={needed}, or leave some out with search.NAME=null (in simulations with 16 trials the chosen "
            "setting is 0.05 points short of the best with 1 setting, 0.07 with 2, 0.32 with 3; narrower optima leave "
            "more)"
        )
