"""A loss, a model or a data set in a file of the user's own: found, hashed, imported.

Torch-free until a loss or a model is imported.

A configuration that somebody else wrote may name such a class too. Loading it runs nothing but a file of the user's:
the file lies in the working directory or in a folder of PYTHONPATH, its content has the recorded SHA-256, it defines
the class at its top level, and what runs is the content that was hashed.
"""

import ast
import os
import re
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from lossbench.errors import UserError, one_line, suggest

SOURCE = "_sha256_"  # of the file, in the resolved configuration
PLACE = "in the working directory or in a folder of PYTHONPATH"
BASES = {
    "data": ("lossbench.data.source", "Source"),
    "loss": ("lossbench.losses", "Loss"),
    "model": ("torch.nn", "Module"),
}
"""Group with an option `custom` -> the class that the user's class derives from."""
_GUIDES = {"data": "data_set", "loss": "loss", "model": "model"}


def complete(node: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Replace `target` of a `custom` option by what is built and the hash of its file; other options stay as they are.

    Args:
        node: composed from conf/<group>.
        group: data, loss or model.

    Raises:
        UserError: there is no such file or class.
    """
    if "_target_" in node or "target" not in node:
        return dict(node)
    target = node["target"]
    if not is_target(target):
        raise UserError(
            f"{group}.target must be module.Class, the class being defined in module.py {PLACE}, got {target!r}"
        )
    rest = {key: value for key, value in node.items() if key != "target"}
    return {**rest, "_target_": target, SOURCE: hash_of(target)}


def verify(config: Mapping[str, Any], run: object) -> None:
    """Check that the user's files are those with which a run was planned; imports nothing.

    Args:
        config: resolved.
        run: names the run in the message.

    Raises:
        UserError: a file is missing or has changed.
    """
    for group in BASES:
        node = config[group]
        if is_custom(node) and hash_of(node["_target_"]) != node[SOURCE]:
            raise UserError(
                f"the file of {group} {node['_target_']} has changed since {run} was planned; "
                "restore it, or start a new run"
            )


def is_target(target: object) -> bool:
    """Whether it is a module and a class, and nothing deeper."""
    return isinstance(target, str) and bool(re.fullmatch(r"[A-Za-z]\w{0,99}\.[A-Za-z]\w{0,99}", target, flags=re.ASCII))


def is_custom(node: Mapping[str, Any]) -> bool:
    """Whether a resolved node names a class in a user's own file and its hash; imports nothing."""
    if SOURCE not in node:
        return False
    return is_target(node.get("_target_")) and bool(re.fullmatch(r"[0-9a-f]{64}", str(node[SOURCE])))


def hash_of(target: str) -> str:
    """Hash the file that defines a class: the SHA-256 of its content.

    Raises:
        UserError: there is no such file, or it does not define the class.
    """
    return sha256(_read(target)[1]).hexdigest()


def load(target: str, expected: str | None = None, group: str = "loss") -> type[Any]:
    """Import a class from the user's own file.

    Args:
        target: module.Class.
        expected: the SHA-256 that the file must have; None takes it as it is.
        group: data, loss or model.

    Raises:
        UserError: the file is missing, has another hash or fails; the class does not derive from the group's base.
    """
    path, content = _read(target)
    name, _, class_name = target.partition(".")
    digest = sha256(content).hexdigest()
    if expected not in (None, digest):
        raise UserError(
            f"{path} has changed (SHA-256 {digest[:8]}, planned with {str(expected)[:8]}); "
            "restore it, or start a new run"
        )
    home, base = BASES[group]  # losses and models import torch: only when one is built
    parent: type[Any] = getattr(import_module(home), base)
    found = getattr(_import(name, path, content, digest), class_name, None)
    if not (isinstance(found, type) and issubclass(found, parent) and found.__module__ == name):
        raise UserError(
            f"{target} must be a class that derives from {home}.{base}, and does not (docs/add_a_{_GUIDES[group]}.md)"
        )
    return found


def _read(target: str) -> tuple[Path, bytes]:
    name, _, class_name = target.partition(".")
    path = _find(name)
    content = path.read_bytes()
    try:
        classes = [node.name for node in ast.parse(content, str(path)).body if isinstance(node, ast.ClassDef)]
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not Python: {one_line(error)}") from error
    if class_name not in classes:
        raise UserError(f"{path} does not define {class_name} at its top level; {suggest(class_name, classes)}")
    return path, content


def _find(name: str) -> Path:
    if name in sys.stdlib_module_names or name == "lossbench":
        raise UserError(f"{name}.py has the name of a module that Python or lossbench needs; rename the file")
    folders = [Path.cwd(), *(Path(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part)]
    found = next((path for folder in folders if (path := folder / f"{name}.py").is_file()), None)
    if found is None:
        raise UserError(f"there is no {name}.py {PLACE} ({', '.join(map(str, folders))})")
    return found


def _is_installed(name: str, path: Path) -> bool:
    """Whether Python would import another file, or a package, by this name: it may be imported later in a run."""
    spec = find_spec(name)
    return spec is not None and (spec.origin is None or Path(spec.origin).resolve() != path.resolve())


def _import(name: str, path: Path, content: bytes, digest: str) -> ModuleType:
    known = sys.modules.get(name)
    if known is not None and getattr(known, SOURCE, None) == digest:
        return known
    if known is None and _is_installed(name, path):
        raise UserError(f"{path} has the name of an installed package; rename the file")
    if known is not None and not hasattr(known, SOURCE):
        raise UserError(
            f"{path} has the name of a module that is already imported ({getattr(known, '__file__', name)}); rename it"
        )
    module = ModuleType(name)
    module.__file__ = str(path)
    setattr(module, SOURCE, digest)
    sys.modules[name] = module  # dataclasses look for it there
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)  # not a cached .pyc: what runs is what was hashed
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise UserError(f"{path} cannot be imported: {type(error).__name__}: {one_line(error)}") from error
    return module
