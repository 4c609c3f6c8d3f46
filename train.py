"""Train a classifier with the loss of your choice: python train.py [GROUP=OPTION ...] [KEY=VALUE ...]."""

import sys

import hydra
from omegaconf import DictConfig

from lossbench.cli.overrides import explain, run_composed
from lossbench.errors import UserError, exit_on_user_error, fail, one_line


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config: DictConfig) -> float:
    """Plan the run directory of a composed configuration and run it."""
    try:
        return run_composed(config, sys.argv)
    except UserError as error:  # not through Hydra, which would add a line of its own
        fail(one_line(error))


if __name__ == "__main__":
    exit_on_user_error(main, explain)
