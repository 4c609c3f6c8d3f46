"""A loss in a file of the user's own: found, known by its content, imported. Nothing heavy before it is imported.

A configuration that somebody else wrote may name such a loss too. So that loading it runs nothing but a file that the user has: the file
lies in the working directory or in a folder of PYTHONPATH, its content has the recorded SHA-256, it defines the class at its top level, and
what runs is the content that was hashed. The class derives from lossbench.losses.Loss.
"""

import ast
import os
import re
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from lossbench.errors import UserError, one_line, suggest

SOURCE = "_sha256_"  # of the file, in the resolved configuration
PLACE = "in the working directory or in a folder of PYTHONPATH"


def complete(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the target of conf/loss/custom.yaml into what is built and the hash of its file; other losses stay as they are.

    Args:
        loss: a composed node.

    Raises:
        UserError: there is no such file or class.
    """
    if "_target_" in loss or "target" not in loss:
        return dict(loss)
    target = loss["target"]
    if not is_target(target):
        raise UserError(
            f"loss.target must be module.Class, the class being defined in module.py {PLACE}, got {target!r}"
        )
    rest = {key: value for key, value in loss.items() if key != "target"}
    return {**rest, "_target_": target, SOURCE: hash_of(target)}


def is_target(target: object) -> bool:
    """Whether it is a module and a class, and nothing deeper."""
    return isinstance(target, str) and bool(re.fullmatch(r"[A-Za-z]\w*\.[A-Za-z]\w*", target, flags=re.ASCII))


def is_custom(node: Mapping[str, Any]) -> bool:
    """Whether a resolved node is well-formed as a loss of the user's own file; imports nothing."""
    return is_target(node.get("_target_")) and bool(re.fullmatch(r"[0-9a-f]{64}", str(node.get(SOURCE))))


def hash_of(target: str) -> str:
    """Hash the file that defines a class: the SHA-256 of its content.

    Raises:
        UserError: there is no such file, or it does not define the class.
    """
    return sha256(_read(target)[1]).hexdigest()


def load(target: str, expected: str | None = None) -> type[Any]:
    """Import a class from the user's own file.

    Args:
        target: module.Class.
        expected: the SHA-256 that the file must have; None takes it as it is.

    Raises:
        UserError: the file is missing, another than expected, or fails; the class is no Loss.
    """
    path, content = _read(target)
    name, _, class_name = target.partition(".")
    digest = sha256(content).hexdigest()
    if expected not in (None, digest):
        raise UserError(
            f"{path} has changed (SHA-256 {digest[:8]}, planned with {str(expected)[:8]}); restore it, or start a new run"
        )
    from lossbench.losses import Loss  # torch: only when something is built

    found = getattr(_import(name, path, content, digest), class_name, None)
    if not (isinstance(found, type) and issubclass(found, Loss) and found.__module__ == name):
        raise UserError(
            f"{target} must be a class that derives from lossbench.losses.Loss (docs/add_a_loss.md), got {found!r}"
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


def _import(name: str, path: Path, content: bytes, digest: str) -> ModuleType:
    known = sys.modules.get(name)
    if known is not None and getattr(known, SOURCE, None) == digest:
        return known
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
