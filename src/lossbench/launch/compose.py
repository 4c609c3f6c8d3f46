"""From jobs to configurations: composed once for each choice of groups, plain values set on copies."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from lossbench.config.plain import copied
from lossbench.launch.expand import Job, Part


class Composer:
    """Compose the jobs of a multirun: the same as composing each by itself, but a hundred times faster.

    A plain value (a number, a word, a list of them) is set on a copy of a composed configuration that differs in
    nothing else. A job is composed by itself where its value replaces a whole node, or where an interpolation anywhere
    in the configuration may refer to its key.

    Args:
        loader: Hydra's.
        master: the configuration of the multirun itself, with Hydra's own overrides.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self.templates: dict[tuple[str, ...], tuple[dict[str, Any], frozenset[str]]] = {}

    def __call__(self, job: Job) -> dict[str, Any]:
        """Give a job's configuration, resolved, in plain containers."""
        key = tuple(part.text if part.key is None else part.key for part in job.parts)
        if key not in self.templates:
            self.templates[key] = self._compose(job.overrides)
        template, named = self.templates[key]
        values = [part for part in job.parts if part.key is not None]
        if not all(_can_be_set(template, part, named) for part in values):
            return self._compose(job.overrides)[0]
        config = copied(template)
        for part in values:
            parent, name = _parent(config, str(part.key))
            parent[name] = copied(part.value)
        return config

    def _compose(self, overrides: Sequence[str]) -> tuple[dict[str, Any], frozenset[str]]:
        """Compose with Hydra; also give the words of every interpolation."""
        config = self.loader.load_sweep_config(self.master, list(overrides))
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        unresolved = OmegaConf.to_container(config)
        resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        return {str(key): value for key, value in resolved.items()}, frozenset(_words(unresolved))


def _can_be_set(template: dict[str, Any], part: Part, named: frozenset[str]) -> bool:
    parent, name = _parent(template, str(part.key))
    if any(step in named for step in str(part.key).split(".")):  # an interpolation may refer to the key
        return False
    return isinstance(parent, dict) and name in parent and not isinstance(parent[name], dict)


def _parent(config: dict[str, Any], key: str) -> tuple[Any, str]:
    node: Any = config
    *path, name = key.split(".")
    for step in path:
        node = node.get(step) if isinstance(node, dict) else None
    return node, name


def _words(node: Any) -> Iterator[str]:
    """The words in the interpolations below a node: names of keys among them."""
    if isinstance(node, dict):
        for item in node.values():
            yield from _words(item)
    elif isinstance(node, list):
        for item in node:
            yield from _words(item)
    elif isinstance(node, str) and "${" in node:
        yield from re.findall(r"\w+", node)
