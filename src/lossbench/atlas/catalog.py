"""Which losses there are: the registered ones by their YAML, and a user's own by module:Class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lossbench.atlas.docstrings import Words, words_of
from lossbench.config import custom
from lossbench.config.build import build
from lossbench.config.searched import without_ranges
from lossbench.errors import UserError, one_line, suggest
from lossbench.rundir.reading import read_yaml
from lossbench.tuning.spaces import Dimension, name_of, own_dimensions

CLASSES = 10
"""Of all curves, and of the ranges that depend on the number of classes."""


@dataclass(frozen=True)
class Entry:
    """A loss of the atlas.

    Args:
        name: loss=NAME, or module:Class.
        make: builds it; settings replace the defaults. ValueError and UserError say that they are not allowed.
        kind: its class.
        head: whether it reads what a head of its own makes.
        settings: those of its YAML.
        ranges: of its own numbers, as a tuned sweep searches each alone; closed forms are of 10 classes.
    """

    name: str
    make: Callable[..., Any]
    kind: type[Any]
    head: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, Dimension] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it is for."""
        return tuple(getattr(self.kind, "tasks", ("classification",)))

    @cached_property
    def words(self) -> Words:
        """What its docstring says: the function's, or the class's where that has none."""
        ours = words_of(getattr(self.kind, "function", None) or self.kind)
        return ours if ours.summary else words_of(self.kind)


def registered(folder: Path) -> dict[str, Entry]:
    """Read every loss of a folder such as conf/loss; a file may bring a head; loss=custom is no loss by itself.

    Args:
        folder: holds one YAML a loss.

    Returns:
        name -> entry, by name.
    """
    return {name: _entry(name, node, head) for name, (node, head) in _nodes(folder).items()}


def _nodes(folder: Path) -> dict[str, tuple[dict[str, Any], bool]]:
    """name -> the settings of a loss, and whether it brings a head."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        whole = read_yaml(path)
        node = whole.get("loss", whole)
        if isinstance(node, Mapping) and "_target_" in node:
            found[path.stem] = dict(node), "head" in whole
    return found


def of_user(target: str) -> Entry:
    """Find a loss in the user's own file.

    Args:
        target: module:Class.

    Raises:
        UserError: there is none, or it cannot be built with its defaults.
    """
    _require_own(target)
    kind = custom.load(target.replace(":", "."))
    try:
        kind()
    except Exception as error:  # whatever the user's own code raises
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(
            f"{target} cannot be built with its defaults ({reason}); give every setting a default"
        ) from error
    return Entry(target, kind, kind)


def choose(words: Sequence[str], folder: Path) -> list[Entry]:
    """Find what was asked for: loss=NAME[,NAME] and module:Class; without a word all registered losses.

    Raises:
        UserError: there is no such loss.
    """
    nodes = _nodes(folder)
    for word in words:
        _require_loss(word, nodes)
    known = registered(folder)
    found: list[Entry] = []
    for word in words:
        if word.startswith("loss="):
            found += [known[name] for name in word.removeprefix("loss=").split(",")]
        else:
            found.append(of_user(word))
    return list({entry.name: entry for entry in found}.values()) or list(known.values())


def _require_loss(word: str, known: Mapping[str, object]) -> None:
    """Refuse a word that names no loss, before torch is imported."""
    if word.startswith("loss="):
        for name in word.removeprefix("loss=").split(","):
            if name not in known:
                raise UserError(f"loss={name} does not exist; {suggest(name, known)}")
    elif ":" in word:
        _require_own(word)
    else:
        raise UserError(f"{word!r} is neither loss=NAME nor module:Class; {suggest(word, known)}")


def _require_own(target: str) -> None:
    """Refuse what names no class in a file of the user's own; nothing is imported."""
    dotted = target.replace(":", ".")
    if target.count(":") != 1 or not custom.is_target(dotted):
        raise UserError(f"{target} must be module:Class, the class being defined in module.py {custom.PLACE}")
    custom.hash_of(dotted)


def _entry(name: str, described: dict[str, Any], head: bool) -> Entry:
    node = without_ranges(described)
    settings = {key: value for key, value in node.items() if key not in ("name", "_target_")}

    def make(**changed: Any) -> Any:
        return build({**node, **changed}, "loss")

    return Entry(name, make, type(make()), head, settings, _ranges(described))


def _ranges(described: Mapping[str, Any]) -> dict[str, Dimension]:
    fixed = {f"loss.{name}": value for name, value in described.items()}
    found = (each.at(fixed) for each in own_dimensions(described, {}, CLASSES))
    return {name_of(each.key): each for each in found}
