"""Hydra's and OmegaConf's errors in one line that says what exists. Torch-free."""

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from inspect import signature
from operator import attrgetter
from pathlib import Path

from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.composition import composed, config_dir_of, hydra_started
from lossbench.errors import UserError, one_line, suggest

REWORDED = {
    r"Ambiguous value for argument '(.+)'": (
        "{0} lists several values: -m before it runs one of each; a text with a comma stands in quotes inside quotes"
    ),
    r"Sweep parameters '(.+)' requires": "{0} gives several values: -m before it runs one of each",
    r"Could not delete from config. '(.+)' does not exist": "~{0}: there is no {0} to take away; leave it out",
    r"Could not delete '(.+)'. No match": "~{0}: there is no {0} to take away; leave it out",
    r"Could not append to config. An item is already at '(.+)'": "+{0}: {0} is there already; write {0}=VALUE",
    r"Cannot find primary config '(.+?)'": (
        "there is no {0}.yaml in the folder of lossbench's own; leave --config-name and --config-path out"
    ),
    r"Sweeping over Hydra's configuration is not supported : '(.+?)'": (
        "{0}: Hydra's own settings cannot be swept; a text with a comma stands in quotes inside quotes"
    ),
    r"Error merging override (.+)": "{0}: the value is of another kind than what is there",
}
"""What Hydra says -> what a user can do."""
OTHER_MODEL = (
    "{0} is for model=linear_probe, a linear layer on its features, or model=finetune, the whole network: choose one "
    "of them in place of the model that is named (here, or in the experiment), or features=none"
)
GROUP_CHOICE = r"[\w/@]+=[\w/-]+"
LIGHT = ("lossbench.data.", "lossbench.training.schedules.", "hydra_plugins.lossbench.")
"""Modules whose classes can be asked what they take: they import nothing heavy."""


def explain(error: Exception, words: Sequence[str] | None = None) -> str | None:
    """Word an error of Hydra or OmegaConf in one line.

    Args:
        error: any exception.
        words: the command line it comes from; None is this process's.

    Returns:
        The line; None for an exception of anything else.
    """
    text = str(error)
    if isinstance(error, HydraException) and isinstance(error.__cause__, UserError):
        return one_line(error.__cause__)
    if isinstance(error, ValueError) and text.startswith("Config group override"):
        return "a group needs the name of an option, e.g. loss=cosine_prob; --help lists them"
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    if isinstance(error, OmegaConfBaseException) and error.full_key and "Could not override" not in text:
        return f"{error.full_key}: {one_line(error).split(' full_key:')[0]}"
    return _reworded(text, sys.argv[1:] if words is None else words)


def _reworded(text: str, words: Sequence[str]) -> str:
    """Word what Hydra says of a command line; what is not known is folded into a line."""
    if missing := re.search(r"Could not find '([^']*)'.*Available options in '([^']*)'", text, flags=re.DOTALL):
        return _missing_option(missing[2], missing[1].removeprefix(f"{missing[2]}/"), text)
    if other := re.search(r"In '(features/\w+)': Could not override 'model/backbone'", text):
        return OTHER_MODEL.format(other[1].replace("/", "="))
    if wrong := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(wrong[1].split("@")[0], text, words)
    if refused := re.search(r"unexpected keyword argument '(\w+)'.*full_key: ([\w.]+)", text, flags=re.DOTALL):
        return f"{refused[2]}.{refused[1]} does not exist; leave it out"
    for pattern, line in REWORDED.items():
        if found := re.search(pattern, text):
            return line.format(found[1])
    return one_line(text)


def _missing_option(group: str, name: str, text: str) -> str:
    options = re.findall(r"^\t([\w./-]+)$", text, flags=re.MULTILINE)
    is_path = group == "data" and bool(name) and ("/" in name or Path(name).exists())
    folder = f"; for images in a folder write data=image_folder data.root={name}" if is_path else ""
    return f"{group}={name} does not exist{folder}; {suggest(name, options)}"


def _unknown_key(key: str, text: str, words: Sequence[str]) -> str:
    """Find the nearest existing key by composing again with the choices of groups alone."""
    parent, _, name = key.rpartition(".")
    try:
        config = _with_groups_alone(key, words)
        node = OmegaConf.select(config, parent) if parent else config
    except (ConfigCompositionException, OmegaConfBaseException, UserError):
        return one_line(text)
    if not isinstance(node, DictConfig):
        return f"{key} does not exist: there is no {parent}; {suggest(parent, map(str, config))}"
    if name in node:  # it exists with the default choice of groups, not with every choice of a sweep
        return (
            f"{key} does not exist for every choice of this sweep; sweep it for one choice at a time (docs/sweeps.md)"
        )
    known = [str(option) for option in node if not str(option).startswith("_")]
    if not known and parent:
        group = parent.partition(".")[0]
        return f"{key} does not exist: {group} has no settings here; choose an option of it with {group}=NAME"
    return f"{key} does not exist; {suggest(name, known)}{_how_to_add(key, node)}"


def _how_to_add(key: str, node: DictConfig) -> str:
    """How to add a setting that a class may take although its option does not list it; "" where it takes none."""
    target = node.get("_target_") or node.get("target")
    if not isinstance(target, str) or "." not in target:
        return ""
    if not target.startswith(LIGHT):
        return f". If {target.rpartition('.')[2]} takes it, write +{key}=VALUE"
    parameters = signature(attrgetter(target.rpartition(".")[2])(import_module(target.rpartition(".")[0]))).parameters
    return f". To add it, write +{key}=VALUE" if key.rpartition(".")[2] in parameters else ""


def _with_groups_alone(key: str, words: Sequence[str]) -> DictConfig:
    """Compose the choices of groups among the words, in the user's own folder of YAML files too (--config-dir)."""
    choices = [word for word in words if re.fullmatch(GROUP_CHOICE, word) and not word.startswith(f"{key}=")]
    with hydra_started(config_dir_of(words)):
        return composed(choices, with_hydra=key.startswith("hydra."))
