"""Train one run, or a multirun with -m, from Hydra's command line. Torch-free until something really runs."""

import sys

import hydra
from omegaconf import DictConfig

from lossbench.cli.lazy_help import accept_lazy_help
from lossbench.config.composition import HYDRA_VERSION, conf_folder, config_dir_of, own_folder
from lossbench.errors import UserError, fail, one_line
from lossbench.job.start import start
from lossbench.launch.single import plan_composed, run_planned


def main() -> None:
    """Hand the command line to Hydra, which composes the configuration and calls back.

    Raises:
        UserError: Hydra would read only a part of the folder named by --config-dir.
    """
    if (config_dir := config_dir_of(sys.argv[1:])) is not None:
        own_folder(config_dir)
    accept_lazy_help()
    hydra.main(version_base=HYDRA_VERSION, config_path=str(conf_folder()), config_name="train")(run_composed)()


def run_composed(config: DictConfig) -> float:
    """Plan and run a composed configuration.

    Args:
        config: composed by Hydra.

    Returns:
        The monitored validation metric, which is what Hydra's sweepers optimise.
    """
    try:
        run = plan_composed(config, sys.argv)
        result = run_planned(run, start)
    except UserError as error:  # not through Hydra, which would add a line of its own
        fail(one_line(error), error)
    value = result.metrics.get(run.config.monitor)
    return float("nan") if value is None else value
