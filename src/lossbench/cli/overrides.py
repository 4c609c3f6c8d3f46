"""What stands between Hydra's command line and a run directory, and Hydra's errors in one line. Torch-free."""

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.resolve import prepare
from lossbench.errors import UserError, one_line, suggest
from lossbench.hardware import require_gpu
from lossbench.job.start import hand_over, start
from lossbench.rundir.directory import processes

# Hydra re-raises what it would otherwise print as a traceback, so that one place words every error.
# A process started by this one inherits both variables, and so knows that it was not the user who set the first.
ASKED_FOR_TRACEBACKS = "HYDRA_FULL_ERROR" in os.environ and "LOSSBENCH_WORDS_ERRORS" not in os.environ
os.environ |= {"HYDRA_FULL_ERROR": "1", "LOSSBENCH_WORDS_ERRORS": "1"} if not ASKED_FOR_TRACEBACKS else {}


def run_composed(config: DictConfig, command: list[str]) -> float:
    """Plan and run a composed configuration.

    Args:
        config: composed by Hydra.
        command: what the user typed, for the record.

    Returns:
        The monitored validation metric, which is what Hydra's sweepers optimise.

    Raises:
        UserError: a mistake in the configuration, or a failed run.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:  # not through Hydra, which would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error
    assert isinstance(plain, dict)
    require_gpu(plain["trainer"]["accelerator"])
    run = prepare({str(key): value for key, value in plain.items()}, load_yardstick, command)
    if processes(run) > 1 and run.result() is None:
        code = hand_over(run)
        result = run.result()
        if code or result is None:
            raise UserError(
                f"{run.path} failed with exit code {code}: {run.status.get('reason', 'see the messages above and train.log')}"
            )
    else:
        result = start(run)
    return result["metrics"].get(run.config.monitor, float("nan"))


def load_yardstick(name: str) -> Mapping[str, Any]:
    """Give the configuration of a loss by its name, from Hydra's own search path.

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
    plain = OmegaConf.to_container(found["loss"], resolve=True)
    assert isinstance(plain, dict)
    if "_target_" not in plain:
        raise UserError(f"yardsticks: {name} names no loss by itself; leave it out")
    return {str(key): value for key, value in plain.items()}


def explain(error: Exception) -> str | None:
    """Word Hydra's and OmegaConf's errors in one line; None for what is not theirs."""
    text = str(error)
    if ASKED_FOR_TRACEBACKS:
        return None
    if isinstance(error, ValueError) and text.startswith("Config group override"):
        return "a group needs the name of an option, e.g. loss=cosine_prob; --help lists them"
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    if missing := re.search(r"Could not find '([\w/]+?)/([^/']*)'", text):
        return _missing_option(missing[1], missing[2], text)
    if wrong := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(wrong[1].split("@")[0], text)
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return f"{error.full_key}: {one_line(error).split(' full_key:')[0]}"
    return one_line(text)


def _missing_option(group: str, name: str, text: str) -> str:
    options = re.findall(r"^\t([\w./-]+)$", text, flags=re.MULTILINE)
    return f"{group}={name} does not exist; {suggest(name, options)}"


def _unknown_key(key: str, text: str) -> str:
    """Find the nearest existing key by composing again with the choices of groups alone."""
    parent, _, name = key.rpartition(".")
    groups = [
        word for word in sys.argv[1:] if re.fullmatch(r"[\w/@]+=[\w/,-]+", word) and not word.startswith(f"{key}=")
    ]
    try:
        config = _compose_again([word for word in groups if "," not in word], with_hydra=key.startswith("hydra."))
        node = OmegaConf.select(config, parent) if parent else config
    except (ConfigCompositionException, OmegaConfBaseException):
        return one_line(text)
    if not isinstance(node, DictConfig):
        known = OmegaConf.to_container(config, resolve=False)
        return f"{key} does not exist: there is no {parent}; {suggest(parent, map(str, known) if isinstance(known, dict) else [])}"
    if name in node:  # it exists with the default choice of groups, not with every choice of a sweep
        return (
            f"{key} does not exist for every choice of this sweep; sweep it for one choice at a time (docs/sweeps.md)"
        )
    kept = [str(option) for option in node if not str(option).startswith("_")]
    return f"{key} does not exist; {suggest(name, kept)}. To add a key that the configuration does not know, write +{key}=VALUE"


def _compose_again(overrides: list[str], with_hydra: bool) -> DictConfig:
    from pathlib import Path

    from hydra import initialize_config_dir

    folders = Path(sys.argv[0]).resolve().parents  # of train.py, or of a script below it
    conf = next(
        (folder / "conf" for folder in folders if (folder / "conf" / "train.yaml").exists()), folders[0] / "conf"
    )
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose("train", overrides=overrides, return_hydra_config=with_hydra)
