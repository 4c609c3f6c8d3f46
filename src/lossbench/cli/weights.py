"""Fetch published weights once into a folder that machines without a network can use.

lossbench weights NAME ...
"""

import os
import shutil
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from uuid import uuid4

from lossbench.cli.parser import Parser
from lossbench.config.installed import is_installed
from lossbench.config.model_rules import ARCHITECTURES
from lossbench.config.weights_files import LITE0, lite0_file, sha256, weights_folder
from lossbench.errors import UserError

TIMM = "timm/"


def main(words: Sequence[str] | None = None) -> None:
    """Fetch weights, and say which files to copy."""
    names = _parser().parse_args(words).names
    for name in names:
        path = kept(name)
        print(f"{name}: {path}, {path.stat().st_size / 1e6:.1f} MB, sha256 {sha256(path)}")
    print(
        "A machine without a network needs these files alone: copy them into ~/.cache/lossbench/weights there, "
        "or into a folder that LOSSBENCH_WEIGHTS names"
    )


def kept(name: str) -> Path:
    """Fetch the weights of a network into the folder of published weights, unless they are there.

    Args:
        name: lite0; resnet18, resnet34 or resnet50, which are torchvision's; or timm's name of a model, with timm/
            before it where torchvision has one of the same name.

    Returns:
        The file in that folder.

    Raises:
        UserError: there is no such network, or its weights cannot be downloaded or written.
    """
    try:
        found, file = _found(name)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
    path = weights_folder() / file
    if found != path:
        _copy(found, path)
    return path


def _found(name: str) -> tuple[Path, str]:
    """Where weights lie, downloaded if need be, and what the file is called in the folder of published weights."""
    if name == "lite0":
        return lite0_file(), LITE0
    if name in ARCHITECTURES:
        from lossbench.models.published import imagenet_file  # torch: only now that there is something to do

        path = imagenet_file(name)
        return path, path.name
    return _found_in_timm(name.removeprefix(TIMM))


def _found_in_timm(name: str) -> tuple[Path, str]:
    if not is_installed("timm"):
        raise UserError(
            f"{name} is none of lite0, {', '.join(ARCHITECTURES)}; models of timm need the package: "
            "pip install 'lossbench[timm]'"
        )
    from lossbench.models.published import timm_file, timm_name

    timm = import_module("timm")
    try:
        source = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError:  # a tag that does not exist
        source = None
    if source is None:
        close = get_close_matches(name, ["lite0", *ARCHITECTURES, *timm.list_pretrained()], n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(f"{name} has no published weights; {hint}timm.list_pretrained() has timm's names")
    return timm_file(timm, name), timm_name(source)


def _copy(found: Path, path: Path) -> None:
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, beside)
        os.replace(beside, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; choose another folder with LOSSBENCH_WEIGHTS"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _parser() -> Parser:
    parser = Parser("weights", __doc__)
    names = "lite0, resnet18, resnet34, resnet50 (torchvision's), or timm's name of a model, such as timm/convnext_tiny"
    parser.add_argument("names", nargs="+", metavar="NAME", help=names)
    return parser
