"""lossbench's own configuration folder, composed by Hydra outside of its command line. Torch-free."""

import argparse
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from hydra import compose
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.version import VersionBase, setbase
from omegaconf import DictConfig, OmegaConf

from lossbench.config import custom
from lossbench.config.overrides import readable
from lossbench.config.plain import is_mapping, is_sequence
from lossbench.config.preprocessing import with_preprocessing
from lossbench.config.replicate import with_replicate
from lossbench.config.searched import SEARCH, without_ranges
from lossbench.config.sections import Data
from lossbench.config.values import path_text
from lossbench.errors import UserError, one_line, suggest

HYDRA_VERSION = "1.3"
"""The version_base of every composition."""
# Texts that Hydra's grammar reads as they stand.
WORD = r"[A-Za-z_][\w/-]*"
RESERVED = ("true", "false", "null", "nan", "inf")


def conf_folder() -> Path:
    """The folder of train.yaml and its groups: lossbench/conf of an installed package, conf/ of a checkout."""
    package = Path(__file__).resolve().parents[1]
    packed = package / "conf"
    return packed if packed.is_dir() else package.parents[1] / "conf"


def groups() -> tuple[str, ...]:
    """The groups of options: loss, data, model and so on."""
    return tuple(sorted(path.name for path in conf_folder().iterdir() if path.is_dir() and path.name != "hydra"))


@contextmanager
def hydra_started(config_dir: str | PathLike[str] | None = None) -> Generator[None]:
    """Let Hydra compose from the configuration folder; its global state is the caller's again afterwards.

    Args:
        config_dir: a folder of the user's own YAML files, beside lossbench's.

    Raises:
        UserError: as `own_folder`.
    """
    search_path = create_config_search_path(str(conf_folder()))
    if config_dir is not None:
        before = SearchPathQuery(provider="schema")  # where Hydra's --config-dir puts it
        search_path.prepend("command-line", f"file://{own_folder(config_dir)}", anchor=before)
    hydra_of_caller, version_of_caller = GlobalHydra.instance().hydra, VersionBase.instance().version_base
    GlobalHydra.instance().hydra = None
    try:
        setbase(HYDRA_VERSION)
        Hydra.create_main_hydra2(task_name="lossbench", config_search_path=search_path)
        yield
    finally:
        GlobalHydra.instance().hydra = hydra_of_caller
        VersionBase.instance().version_base = version_of_caller


def composed(overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """Compose train.yaml as the command line does; inside `hydra_started`.

    Args:
        overrides: GROUP=OPTION and KEY=VALUE, as they are typed.
        with_hydra: keep Hydra's own node.

    Raises:
        HydraException: an override does not fit.
    """
    return compose("train", overrides=list(overrides), return_hydra_config=with_hydra)


def composed_data(
    overrides: Sequence[str],
    config_dir: str | PathLike[str] | None = None,
    seen: Mapping[str, Any] | None = None,
) -> Data:
    """Compose a data set alone, as a run has it; outside of `hydra_started`.

    Args:
        overrides: data=OPTION, its settings and replicate=NUMBER, as they are typed.
        config_dir: a folder of the user's own YAML files.
        seen: how a network has seen images, for settings that are not typed (see `with_preprocessing`).

    Raises:
        UserError: there is no such data set, file or class, or a setting has a wrong value.
        HydraException: an override does not fit.
    """
    words = readable(overrides, groups(), own_files=config_dir is not None)
    with hydra_started(config_dir):
        record = with_replicate(plain(composed(words)))["data"]
    return Data.read("data", with_preprocessing(custom.complete(record, "data"), seen or {}))


def config_dir_of(words: Sequence[str]) -> str | None:
    """Find the value of --config-dir in a command line.

    Raises:
        UserError: the option has no value.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c")  # Hydra's, which argparse would take for the beginning of -cd
    try:
        return parser.parse_known_args(list(words))[0].config_dir
    except argparse.ArgumentError as error:
        raise UserError(f"{one_line(error)}; --config-dir names a folder of your own YAML files") from error


def own_folder(config_dir: str | PathLike[str], where: str = "--config-dir ") -> Path:
    """Check a folder of the user's own YAML files; `where` is what stands before it in a message.

    Raises:
        UserError: it does not exist, or hides a file behind one of lossbench's of the same place and name.
    """
    try:
        path_text(where.strip(), str(config_dir), "a folder of your own YAML files")
    except ValueError as error:
        raise UserError(str(error)) from error
    folder = Path(config_dir).absolute()
    if not folder.is_dir():
        raise UserError(f"{where}{config_dir} does not exist; name a folder of your own YAML files")
    for path in sorted(folder.rglob("*.yaml")):
        if (conf_folder() / path.relative_to(folder)).exists():
            raise UserError(
                f"{path} has the name of one of lossbench's own files, which would be read instead; rename it"
            )
    return folder


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolve every interpolation of a composed configuration into plain containers.

    Raises:
        OmegaConfBaseException: an interpolation has no value.
    """
    container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert is_mapping(container)
    return {str(key): value for key, value in container.items()}


def load_yardstick(name: str) -> Mapping[str, Any]:
    """Give the configuration of a loss by its name, from the search path of the Hydra that composes.

    Raises:
        UserError: there is no such loss, or it needs a head of its own.
    """
    try:
        found = compose(f"loss/{name}")
    except HydraException as error:
        losses = GlobalHydra.instance().config_loader().get_group_options("loss")
        raise UserError(f"yardsticks: there is no loss {name}; {suggest(name, losses)}") from error
    if "head" in found:
        raise UserError(f"yardsticks: {name} needs a head of its own, so it cannot measure other models; leave it out")
    loss = plain(found)["loss"]
    if "_target_" not in loss:
        raise UserError(f"yardsticks: {name} names no loss by itself; leave it out")
    return without_ranges(loss)


def load_search(optimizer: str) -> Mapping[str, Any]:
    """Give the ranges of an optimiser's settings, from the search path of the Hydra that composes.

    Args:
        optimizer: its name.

    Returns:
        name -> {range, scale, source, ...}; empty where there is no search/<optimizer>.yaml.
    """
    if optimizer not in GlobalHydra.instance().config_loader().get_group_options(SEARCH):
        return {}
    return plain(compose(f"{SEARCH}/{optimizer}"))[SEARCH]


def written(value: object) -> str:
    """Write a Python value in Hydra's grammar of overrides: None, bool, number, text, path, or a list of them."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if is_sequence(value):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, str) and re.fullmatch(WORD, value) and value.lower() not in RESERVED:
        return value
    if isinstance(value, str | PathLike):
        return QuotedString(str(value), Quote.single).with_quotes()  # pyright: ignore[reportUnknownArgumentType] - any path
    raise UserError(f"{value!r} cannot be a setting; give None, a bool, a number, a text or a list of them")
