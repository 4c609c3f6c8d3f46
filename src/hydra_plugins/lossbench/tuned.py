"""hydra/sweeper=tuned: every loss tuned with the same budget, in every replicate."""

import sys

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.lossbench.sweeper import CompareSweeper, launcher_parts
from hydra_plugins.lossbench.vectorized import VectorizedLauncher


class TunedSweeper(CompareSweeper):
    """Try settings for each loss, choose by validation, test what was chosen, then say which loss is better.

    Its arguments are those of CompareSweeper.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what Hydra gives; where no launcher is typed, runs are trained as stacks where they can be."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        typed = any(word.startswith("hydra/launcher=") for word in config.hydra.overrides.hydra)
        if isinstance(self.launcher, BasicLauncher) and not typed:
            self.launcher = VectorizedLauncher()

    def sweep(self, arguments: list[str]) -> None:
        """Check everything, run the trials, choose, run what was chosen, report."""
        from lossbench.launch.tuned.sweep import tuned_sweep

        assert self.launcher is not None
        launch, check_supported, way = launcher_parts(self.launcher, self.master)
        loader = self.context.config_loader
        tuned_sweep(
            self.params,
            arguments,
            loader,
            self.master,
            launch,
            self.question,
            sys.argv,
            check_supported,
            way,
            report=self.report,
        )
