"""What the results of many runs have in common, held once: a hundred thousand of them are then a few hundred MB."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from sys import intern
from typing import Any

from lossbench.rundir.result import Result


class SharedSettings(Mapping[str, Any]):
    """The settings of a run as those of another run of the same setting, and what differs: the seed or replicate.

    Args:
        common: the settings of the other run.
        own: name -> value of what differs; all of its names are in common.
    """

    __slots__ = ("_common", "_own")

    def __init__(self, common: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        self._common, self._own = common, own

    def __getitem__(self, name: str) -> Any:
        return self._own[name] if name in self._own else self._common[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._common)

    def __len__(self) -> int:
        return len(self._common)


class Shared:
    """Results of which equal parts are the same object."""

    def __init__(self) -> None:
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._parts: dict[str, Any] = {}

    def result(self, found: Result) -> Result:
        """Give an equal result whose settings, names of metrics, versions, classes and command are shared."""
        return replace(
            found,
            params=self._with_settings(found.hash, found.params),
            metrics=_with_names(found.metrics),
            half_width_95=_with_names(found.half_width_95),
            facts=_with_names(found.facts),
            **{
                name: self.part(getattr(found, name)) for name in ("n", "versions", "git", "command", "classes", "hash")
            },
        )

    def status(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give an equal status whose texts and lists are shared, but for the settings of an invalid run."""
        return {intern(name): value if name == "params" else self.part(value) for name, value in found.items()}

    def part(self, value: Any) -> Any:
        """Give the first value that was written alike."""
        return self._parts.setdefault(repr(value), value)

    def _with_settings(self, digest: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        common = self._settings.setdefault(digest, settings)
        if common is settings or list(common) != list(settings):
            return settings
        return SharedSettings(common, {name: value for name, value in settings.items() if _differ(value, common[name])})


def _differ(ours: Any, theirs: Any) -> bool:
    """Whether two values are written differently: 1, 1.0 and true are equal, but not the same."""
    return ours != theirs or repr(ours) != repr(theirs)


def _with_names(values: Mapping[str, Any]) -> dict[str, Any]:
    return {intern(name): value for name, value in values.items()}
