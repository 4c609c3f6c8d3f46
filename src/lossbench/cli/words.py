"""The words behind `lossbench` that train: Hydra's options and overrides, checked before Hydra reads them."""

import re
from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from lossbench.config.composition import own_folder
from lossbench.errors import UserError

FIXED = {
    "hydra.run.dir": "runs_dir=PATH says where runs lie",
    "hydra.sweep.dir": "runs_dir=PATH says where runs lie",
    "hydra.sweep.subdir": "runs_dir=PATH says where runs lie",
    "hydra.output_subdir": "a run's configuration is its config.yaml",
    "hydra.job.chdir": "paths are those of the working directory",
}
"""Settings of Hydra that no run follows -> what says it instead."""
OF_MULTIRUN = re.compile(r"[+]{0,2}hydra([/.](launcher|sweeper)\b)")


def parse(words: Sequence[str]) -> Namespace:
    """Part Hydra's options from the overrides.

    Raises:
        UserError: an option that does not exist, lacks its value, has no effect or would run code.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; settings are written KEY=VALUE, and --hydra-help lists the options")

    parser = get_args_parser()
    parser.error = refuse
    given = parser.parse_args(list(words))
    _check_options(given)
    for word in given.overrides:
        _check_override(word, given)
    return given


def may_sweep(given: Namespace) -> bool:
    """Whether a command line is a multirun, or may be one by its experiment."""
    return given.multirun or any(word.startswith(("experiment=", "hydra.mode=")) for word in given.overrides)


def _check_options(given: Namespace) -> None:
    if given.experimental_rerun is not None:
        raise UserError("--experimental-rerun reads a pickle, which can run code; repeat the command instead")
    modes = {"--run": given.run, "-m": given.multirun, "--cfg": given.cfg, "--info": given.info}
    if len(chosen := [option for option, value in modes.items() if value]) > 1:
        raise UserError(f"{' and '.join(chosen)} cannot go together; leave one out")
    for option in ("resolve", "package"):
        if getattr(given, option) and not given.cfg:
            raise UserError(f"--{option} goes with --cfg job; leave it out")
    if given.config_dir is not None:
        own_folder(given.config_dir)


def _check_override(word: str, given: Namespace) -> None:
    key, _, value = word.partition("=")
    if reason := FIXED.get(key.lstrip("+")):
        raise UserError(f"{word}: lossbench sets {key}; leave it out: {reason}")
    if OF_MULTIRUN.match(word) and not may_sweep(given) and not given.cfg and not given.help:
        raise UserError(f"{word} is for several runs, and this command is one; put -m before it, or leave it out")
    if key == "hydra.searchpath":
        for folder in re.findall(r"[^\[\],'\"]+", value):
            if not folder.startswith(("pkg://", "$")):
                own_folder(folder.strip().removeprefix("file://"), "hydra.searchpath ")
