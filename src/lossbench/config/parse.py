"""Plain record -> frozen dataclass: each field says how its value is read, and with which rule it is checked."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache, cached_property
from typing import Any, ClassVar, Self, TypeVar

from lossbench.config.plain import is_mapping
from lossbench.config.values import Rule, directory_name

T = TypeVar("T")
Reader = Callable[[str, Any], Any]
"""Called with the dotted name of a setting and its plain value; gives the parsed value or raises ValueError."""

READER = "reader"
NAME, TARGET, HASH = "name", "_target_", "_sha256_"


def setting(rule: Rule, default: Any = MISSING) -> Any:
    """A field with a plain value that a rule checks; without a default the record must have it."""

    def read(name: str, value: Any) -> Any:
        rule(name, value)
        return value

    return part(read, default)


def part(read: Reader, default: Any = MISSING) -> Any:
    """A field whose value is read from a nested record; without a default the record must have it."""
    return field(default=default, metadata={READER: read})


def parse(kind: type[T], record: Mapping[str, Any], where: str = "", known: Mapping[str, Any] | None = None) -> T:
    """Read the fields of a dataclass from a record; keys without a field are left alone.

    Args:
        kind: the dataclass; its fields are made by `setting` and `part`.
        record: plain values by name.
        where: what stands before the names in messages, such as "trainer.".
        known: fields that are not read from the record.

    Raises:
        ValueError: a value is not allowed; names its key.
        KeyError: a field without a default is missing.
    """
    values = dict(known or {})
    for name, read, required in _readers(kind):
        if name in record:
            values[name] = read(f"{where}{name}", record[name])
        elif required:
            raise KeyError(f"{where}{name}")
    return kind(**values)


def required(kind: type) -> list[str]:
    """The names of the fields that a record must have."""
    return [name for name, _, needed in _readers(kind) if needed]


@cache
def _readers(kind: Any) -> list[tuple[str, Reader, bool]]:
    found = [each for each in fields(kind) if READER in each.metadata]
    return [(each.name, each.metadata[READER], each.default is MISSING) for each in found]


def section(kind: type[T]) -> Reader:
    """The reader of a nested record whose keys are the fields of a dataclass."""

    def read(name: str, value: Any) -> T:
        if not is_mapping(value):
            raise ValueError(f"{name} must hold settings by name, got {value!r}")
        return parse(kind, value, f"{name}.")

    return read


@dataclass(frozen=True)
class Node:
    """A part of a run that is built from its class: the class's name is checked by `build`, its settings are open.

    Args:
        record: as config.yaml holds it: `_target_`, a name, and what the class is built with.
    """

    record: Mapping[str, Any]
    rules: ClassVar[Mapping[str, Rule]] = {}
    """Rules of settings that are known without importing the class."""

    @classmethod
    def read(cls, name: str, value: Any) -> Self:
        """Read a node; see `Reader`."""
        if not is_mapping(value) or TARGET not in value:
            raise ValueError(
                f"{name} must say what to build (_target_), got {value!r}; "
                f"choose one with {name.partition('.')[0]}=NAME"
            )
        for key, rule in cls.rules.items():
            if key in value:
                rule(f"{name}.{key}", value[key])
        return cls(value)

    def __str__(self) -> str:
        return self.name

    @property
    def target(self) -> str:
        """The class, with its module."""
        return str(self.record[TARGET])

    @property
    def class_name(self) -> str:
        """The class, without its module."""
        return self.target.rpartition(".")[2]

    @property
    def name(self) -> str:
        """What the option is called on the command line."""
        return str(self.record.get(NAME, self.target))

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What the class is built with."""
        return {key: value for key, value in self.record.items() if key not in (NAME, TARGET, HASH)}


def optional(kind: type[Node]) -> Reader:
    """The reader of a node that may be switched off: null, or nothing in it."""

    def read(name: str, value: Any) -> Node | None:
        if value and (not is_mapping(value) or TARGET not in value):
            raise ValueError(f"{name} must be null, or say what to build (_target_); got {value!r}")
        return kind.read(name, value) if value else None

    return read


def nodes(rules: Mapping[str, type[Node]] | None = None) -> Reader:
    """The reader of nodes by name; some names have a kind of node of their own."""
    kinds = rules or {}

    def read(name: str, value: Any) -> dict[str, Node]:
        if value and not is_mapping(value):
            raise ValueError(f"{name} must hold settings by name, got {value!r}")
        given: Mapping[str, Any] = value or {}
        for key in given:
            directory_name(f"the name of {name}.{key}", key)
        return {key: kinds.get(key, Node).read(f"{name}.{key}", node) for key, node in given.items()}

    return read
