"""Configuration -> objects: the one place that instantiates, and the allow-list that keeps it safe."""

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from lossbench.config import custom
from lossbench.config.parse import Node
from lossbench.config.plain import SCALARS, is_mapping, is_sequence
from lossbench.errors import UserError, one_line, suggest

OTHER_CLASSES = (
    "lossbench.losses",
    "lossbench.models",
    "lossbench.data",
    "lossbench.training.schedules",
    "lossbench.training.callbacks.averaging",
    "torch.nn",
    "torch.optim",
    "torchvision.models",
    "torchvision.transforms",
)
FUNCTIONS = ("torchvision.models",)
# What writes files is built only where its paths are checked (`inside`), and nothing else is built there.
WRITER_CLASSES = {
    "callbacks": ("lossbench.training.callbacks.averaging", "pytorch_lightning.callbacks"),
    "logger": ("pytorch_lightning.loggers",),
    "profiler": ("pytorch_lightning.profilers",),
}
# How the configuration names a thing; passed on only to what takes it.
LABEL = "name"
# Hydra's words: what to build, its positional arguments, and whether to wait for more of them.
TARGET, ARGS, PARTIAL = HYDRAS = ("_target_", "_args_", "_partial_")
SPECIAL = (*HYDRAS, custom.SOURCE)
REFUSALS = (ValueError, TypeError, ImportError, RuntimeError, AssertionError, MemoryError)


def allowed_by_user() -> tuple[str, ...]:
    """The modules a user allows by name in LOSSBENCH_ALLOW=my_module,other.module (a file cannot allow itself)."""
    return tuple(part.strip() for part in os.environ.get("LOSSBENCH_ALLOW", "").split(",") if part.strip())


def classes_at(where: str) -> tuple[str, ...]:
    """The modules whose classes may be built at a key of the configuration."""
    return WRITER_CLASSES.get(where.partition(".")[0], OTHER_CLASSES)


def check_targets(config: object, where: str = "") -> None:
    """Refuse every `_target_` in a configuration that is not on the allow-list, without importing anything.

    Raises:
        UserError: names the key and the target.
    """
    if is_sequence(config):
        for i, item in enumerate(config):
            check_targets(item, f"{where}[{i}]")
    if not is_mapping(config):
        return
    if TARGET in config and not (
        _is_own(config, where) or _is_allowed(config[TARGET], (*classes_at(where), *allowed_by_user()))
    ):
        raise _refusal(where, config[TARGET])
    for key, item in config.items():
        if type(item) not in SCALARS:
            check_targets(item, f"{where}.{key}".lstrip("."))


def build(
    node: Node | Mapping[str, Any],
    where: str,
    *args: object,
    partial: bool = False,
    offer: Mapping[str, object] | None = None,
    **extra: object,
) -> Any:
    """Instantiate one node of a configuration.

    Args:
        node: its `_target_` and settings.
        where: its key, for messages.
        args: positional arguments that the configuration cannot hold.
        partial: give a callable that takes the missing arguments.
        offer: arguments such as input_shape, passed on where the signature names them and the node does not set them.
        extra: further arguments; they replace settings of the same name.

    Raises:
        UserError: the target is not allowed or does not exist, a setting does not exist or has a wrong value.
    """
    record = node.record if isinstance(node, Node) else node
    check_targets(record, where)
    if offer:
        wanted = accepted(_factory(record, where), **offer)
        extra = {name: value for name, value in wanted.items() if record.get(name) is None} | extra
    return _make({**record, PARTIAL: True} if partial else record, where, args, extra)


def accepted(factory: Callable[..., Any], **offered: object) -> dict[str, object]:
    """Pick from the arguments that are offered those that a factory's signature names."""
    parameters = _parameters(factory)
    return {name: value for name, value in offered.items() if name in parameters}


@functools.lru_cache(maxsize=256)
def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a factory by name, looked at once for all runs of a sweep."""
    return inspect.signature(factory).parameters


def own_settings(node: Node, where: str, names: Iterable[str]) -> list[str]:
    """Give those of some settings that the class of a node takes itself.

    Raises:
        UserError: its class is not allowed or does not exist.
    """
    check_targets(node.record, where)
    return [*accepted(_factory(node.record, where), **dict.fromkeys(names))]


def _factory(node: Mapping[str, Any], where: str) -> Callable[..., Any]:
    if _is_own(node, where):
        return custom.load(node[TARGET], node[custom.SOURCE], where)
    return _resolve(node[TARGET], where)


def _make(node: object, where: str, args: Sequence[object] = (), extra: Mapping[str, object] | None = None) -> Any:
    # Not Hydra's instantiate: it resolves ${...} in stored text, and what that gives escapes the check of targets.
    if is_sequence(node):
        return [_make(item, f"{where}[{i}]") for i, item in enumerate(node)]
    if not is_mapping(node):
        return node
    if TARGET not in node:
        return {key: _make(item, f"{where}.{key}") for key, item in node.items()}
    factory = _factory(node, where)
    settings = _settings(factory, node, where) | dict(extra or {})
    args = [*args, *_make(node.get(ARGS, []), where)]
    return functools.partial(factory, *args, **settings) if node.get(PARTIAL) else _call(factory, args, settings, where)


def _settings(factory: Callable[..., Any], node: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings of a node, nested nodes built; its name only where the factory takes one."""
    settings = {key: item for key, item in node.items() if key not in SPECIAL}
    if LABEL not in _parameters(factory):
        settings.pop(LABEL, None)
    _check_names(factory, settings, where)
    return {key: _make(item, f"{where}.{key}") for key, item in settings.items()}


def _call(factory: Callable[..., Any], args: Sequence[object], settings: Mapping[str, Any], where: str) -> Any:
    try:
        return factory(*args, **settings)
    except Exception as error:
        if not _refuses_settings(error):
            raise
        text = one_line(error)
        raise UserError(f"{where}{'.' if re.split(r'[ =]', text)[0] in settings else ': '}{text}") from error


def _refuses_settings(error: Exception) -> bool:
    """Whether an exception of a constructor is about its settings: memory that is not there, Lightning's own, ..."""
    home = type(error).__module__
    return isinstance(error, REFUSALS) or home.startswith(("pytorch_lightning.", "lightning_fabric."))


def _is_allowed(target: object, prefixes: tuple[str, ...]) -> bool:
    return isinstance(target, str) and _lies_in(target, prefixes)


@functools.lru_cache(maxsize=1024)
def _lies_in(target: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a dotted name is that of something public in one of some modules."""
    if not all(part.isidentifier() and not part.startswith("__") for part in target.split(".")):
        return False
    return any(target == prefix or target.startswith(f"{prefix}.") for prefix in prefixes)


def _is_own(node: Mapping[str, Any], where: str) -> bool:
    """Whether it is the run's data set, loss or model in a user's file: `custom` decides what of it may be imported."""
    return where in custom.BASES and custom.is_custom(node)


def _refusal(where: str, target: object) -> UserError:
    modules = ", ".join(classes_at(where))
    return UserError(
        f"{where}._target_={target} is refused: a configuration may only build things from {modules} there; "
        "allow a module of your own with the environment variable LOSSBENCH_ALLOW=my_module"
    )


def _resolve(target: Any, where: str) -> Any:
    """Import the target and check that what was found is defined in a module of the allow-list."""
    try:
        found = _find(target)
    except Exception as error:
        raise UserError(f"{where}._target_={target} does not exist: {one_line(error)}") from error
    home = f"{getattr(found, '__module__', '')}.{getattr(found, '__name__', '')}"
    allowed = allowed_by_user()
    allowed += classes_at(where) if inspect.isclass(found) else FUNCTIONS if inspect.isfunction(found) else ()
    if not _is_allowed(home, allowed):
        raise _refusal(where, target)
    return found


def _find(target: str) -> Any:
    path, *rest = target.split(".")
    found = import_module(path)
    for part in rest:
        path = f"{path}.{part}"
        found = getattr(found, part) if hasattr(found, part) else import_module(path)
    return found


def _check_names(factory: Any, names: Iterable[str], where: str) -> None:
    parameters = _parameters(factory)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in names:
        if name not in parameters:
            raise UserError(f"{where}.{name} does not exist for {factory.__name__}; {suggest(name, parameters)}")
