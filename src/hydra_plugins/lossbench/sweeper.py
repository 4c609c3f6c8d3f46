"""hydra/sweeper=compare: the one sweeper of lossbench."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lossbench.errors import UserError
from lossbench.report.spec import ComparisonSpec

if TYPE_CHECKING:
    from lossbench.config.schema import RunConfig
    from lossbench.launch.bring import Launch
    from lossbench.launch.outlook.way import Way

LAUNCHERS = "auto, basic, process, slurm, vectorized"


class CompareSweeper(Sweeper):
    """Run every combination of a multirun once, then say which loss is better.

    Args:
        params: what to sweep where the command line does not say it, e.g. {replicate: range(10)}.
        report: whether to write the report and print the verdict at the end.
        baseline: the loss that the others are compared with; mse where no run has the default.
        metric: what is compared, e.g. test/accuracy; None is the test value of what the runs monitor.
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
        if not isinstance(report, bool):
            raise UserError(f"hydra.sweeper.report must be true or false, got {report!r}")
        if params is not None and not hasattr(params, "items"):
            raise UserError(f"hydra.sweeper.params must hold keys and values to sweep, got {params!r}")
        self.params = dict(params or {})
        self.report, self.question = report, ComparisonSpec(baseline, metric, margin)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what Hydra gives; the launcher is made from the same configuration."""
        self.context, self.master = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Expand, compose, plan, run what is missing, report."""
        from lossbench.launch.expand import with_params
        from lossbench.launch.sweep import sweep

        assert self.launcher is not None
        launch, check_supported, way = launcher_parts(self.launcher, self.master)
        given, spec = with_params(self.params, arguments), self.question if self.report else None
        sweep(given, self.context.config_loader, self.master, launch, spec, sys.argv, check_supported, way)


def launcher_parts(launcher: Launcher, master: DictConfig) -> tuple["Launch", Callable[["RunConfig"], None], "Way"]:
    """What a sweep needs of a launcher: how it brings run directories to results, what it refuses, and how fast it is.

    Raises:
        UserError: the launcher does not know run directories, or a setting of it is wrong.
    """
    from lossbench.launch.local import check_one_process, run_here
    from lossbench.launch.outlook.way import Way

    # Hydra's own launcher composes every job anew and stops at the first that fails; run_here takes its place.
    launch = run_here if type(launcher) is BasicLauncher else getattr(launcher, "run_directories", None)
    if launch is None:
        raise UserError(
            f"hydra/launcher={type(launcher).__name__} does not know run directories; Available: {LAUNCHERS}"
        )
    if check_settings := getattr(launcher, "check_settings", None):
        check_settings(Path(str(master["runs_dir"])).expanduser())
    return launch, getattr(launcher, "check_supported", check_one_process), getattr(launcher, "way", Way)()
