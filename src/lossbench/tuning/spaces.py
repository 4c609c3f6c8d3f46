"""What is searched for each loss: the optimiser's settings, shared by all, and a loss's own numbers. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

from lossbench.config.plain import is_mapping
from lossbench.config.rules import check_loss
from lossbench.config.searched import SEARCH, without_ranges
from lossbench.errors import UserError
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.ranges import check_optimizer_range, dimension_of, ranges_of

OWN = "own"
"""The key of `search` that says whether a loss's own numbers are tuned; all others name settings."""
PLACES = (0.0, 0.4, 1.0)
"""Where a loss's rules are asked about its ranges: at both ends and between them."""


@dataclass(frozen=True)
class Space:
    """What is searched for one loss.

    Args:
        shared: the optimiser's settings, the same for all losses.
        own: the loss's own numbers.
    """

    shared: tuple[Dimension, ...]
    own: tuple[Dimension, ...] = ()

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """All that is searched, the shared ones first."""
        return (*self.shared, *self.own)

    def settings(self, u: Sequence[float]) -> dict[str, float]:
        """Give the settings at a point.

        Args:
            u: a number in [0, 1) for each dimension.
        """
        found: dict[str, float] = {}
        pairs = list(zip(self.dimensions, u, strict=True))
        for dimension, place in sorted(pairs, key=lambda pair: bool(pair[0].upper)):
            found[dimension.key] = dimension.value(place, found)
        return {dimension.key: found[dimension.key] for dimension in self.dimensions}

    def to_json(self) -> dict[str, Any]:
        """Give it in plain containers."""
        return {
            "shared": [each.to_json() for each in self.shared],
            "own": [each.to_json() for each in self.own],
        }

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(*(tuple(map(Dimension.of_json, record[part])) for part in ("shared", "own")))


def space_of(
    composed: Mapping[str, Any],
    search: Mapping[str, Any],
    optimizer_space: Mapping[str, Any],
    num_classes: int | None,
    own: bool,
) -> Space:
    """Give the space of one loss.

    Args:
        composed: a job's configuration, with the ranges of its loss.
        search: as typed: own, and name -> range, null or a mapping.
        optimizer_space: name -> range of the optimiser's settings.
        num_classes: of the data; None where there are no classes.
        own: whether the loss's own numbers are searched too.

    Raises:
        UserError: a range is wrong, or nothing is searched.
    """
    optimizer, loss = composed["optimizer"], composed["loss"]
    of_optimizer, of_losses = parted(search, optimizer, optimizer_space)
    shared = [
        dimension_of(f"optimizer.{name}", each, optimizer, num_classes)
        for name, each in ranges_of(optimizer_space, of_optimizer).items()
    ]
    for dimension in shared:
        check_optimizer_range(dimension)
    space = Space(tuple(shared), own_dimensions(loss, of_losses, num_classes) if own else ())
    if not space.dimensions:
        raise UserError(
            f"nothing is searched for loss={loss.get('name')} and optimizer={optimizer.get('name')}; give a range, "
            "such as 'search.lr={range:[1e-4,1],scale:log}'"
        )
    return space


def parted(
    search: Mapping[str, Any], optimizer: Mapping[str, Any], optimizer_space: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part typed ranges into those of the optimiser's settings and all others, which are of losses."""
    typed = {name: value for name, value in search.items() if name != OWN}
    shared = {name for name in typed if name in optimizer or name in optimizer_space}
    return (
        {name: value for name, value in typed.items() if name in shared},
        {name: value for name, value in typed.items() if name not in shared},
    )


def own_dimensions(loss: Mapping[str, Any], typed: Mapping[str, Any], num_classes: int | None) -> tuple[Dimension, ...]:
    """Give the dimensions of a loss's own numbers.

    Args:
        loss: its settings, with the ranges of its YAML.
        typed: name -> range, null or a mapping; names that the loss lacks are left alone.
        num_classes: of the data; None where there are no classes.

    Raises:
        UserError: a range is wrong, or holds values for which the loss is not defined.
    """
    declared, settings = declared_of(loss), without_ranges(loss)
    ranges = ranges_of(declared, {name: value for name, value in typed.items() if name in {*declared, *settings}})
    found = [dimension_of(f"loss.{name}", each, settings, num_classes) for name, each in ranges.items()]
    searched = {each.key for each in found}
    fixed = {f"loss.{name}": value for name, value in settings.items() if f"loss.{name}" not in searched}
    known = tuple(each.at(fixed) for each in found)
    _check_own(known, settings)
    return known


def declared_of(loss: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the ranges that a loss's YAML declares: name -> {range, scale, ...}."""
    declared = loss.get(SEARCH) or {}
    if not is_mapping(declared):
        raise UserError(f"loss.{SEARCH} of loss={loss.get('name')} must hold ranges by name, got {declared!r}")
    return declared


def _check_own(own: tuple[Dimension, ...], loss: Mapping[str, Any]) -> None:
    """Refuse ranges with values for which the loss is not defined: asked at their ends and between them."""
    class_name = str(loss.get("_target_", "")).rpartition(".")[2]
    for places in product(PLACES, repeat=len(own)):
        point = {name_of(key): value for key, value in Space((), own).settings(places).items()}
        try:
            check_loss(class_name, {**loss, **point})
        except ValueError as error:
            ranges = " ".join(f"search.{name_of(each.key)}=[{each.low:g},{each.high:g}]" for each in own)
            raise UserError(f"{ranges}: loss={loss.get('name')} is not defined everywhere in it: {error}") from error


def name_of(key: str) -> str:
    """The name that a setting has in `search`: its key without the group."""
    return key.partition(".")[2]
