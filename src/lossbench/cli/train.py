"""Train one run, or a multirun with -m, from Hydra's command line. Torch-free until something really runs."""

import sys

import hydra
from omegaconf import DictConfig

from lossbench.cli.lazy_help import accept_lazy_help
from lossbench.cli.words import may_sweep, parse
from lossbench.config.composition import HYDRA_VERSION, conf_folder, groups
from lossbench.config.overrides import readable
from lossbench.errors import UserError, fail, one_line
from lossbench.job.start import start
from lossbench.launch.single import only_planned, plan_composed, run_planned


def main() -> None:
    """Hand the command line to Hydra, which composes the configuration and calls back.

    Raises:
        UserError: a word that Hydra cannot read, or a folder of which it would read only a part (--config-dir).
    """
    accept_lazy_help()
    given = parse(sys.argv[1:])
    typed, own_files = given.overrides, given.config_dir is not None
    read = readable(typed, groups(), multirun=may_sweep(given), own_files=own_files)
    quoted = dict(zip(typed, read, strict=True))
    sys.argv[1:] = [quoted.get(word, word) for word in sys.argv[1:]]
    hydra.main(version_base=HYDRA_VERSION, config_path=str(conf_folder()), config_name="train")(run_composed)()


def run_composed(config: DictConfig) -> float:
    """Plan and run a composed configuration.

    Args:
        config: composed by Hydra.

    Returns:
        The monitored validation metric, which is what Hydra's sweepers optimise; nan where the run is only planned.
    """
    try:
        if (lines := only_planned(config)) is not None:
            print("\n".join(lines), flush=True)
            return float("nan")
        run = plan_composed(config, sys.argv)
        result = run_planned(run, start)
    except UserError as error:  # not through Hydra, which would add a line of its own
        fail(one_line(error), error)
    value = result.metrics.get(run.config.monitor)
    return float("nan") if value is None else value
