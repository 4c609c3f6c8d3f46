"""hydra/sweeper=tuned: every loss tuned with the same budget, in every replicate."""

import sys
from collections.abc import Mapping
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.lossbench.sweeper import CompareSweeper, launcher_parts
from hydra_plugins.lossbench.vectorized import VectorizedLauncher
from lossbench.report.spec import ComparisonSpec


class TunedSweeper(CompareSweeper):
    """Try settings for each loss, choose by validation, test what was chosen, then say which loss is better.

    Args:
        params: what to sweep where the command line does not say it.
        report: whether to write the report and print the verdict at the end.
        baseline: the loss that the others are compared with; mse where no run has the default.
        metric: what is compared, e.g. test/accuracy; None is the test value of what chooses the settings.
        margin: differences below it do not matter, in the unit of the metric; None is one point of an accuracy.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        report: bool = True,
        baseline: str = "cross_entropy",
        metric: str | None = None,
        margin: float | None = None,
    ) -> None:
        super().__init__(params, report, baseline, metric, margin)
        self.report, self.question = report, ComparisonSpec(baseline, metric, margin)

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
