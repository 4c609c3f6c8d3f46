"""hydra/launcher=auto: the runs of a multirun stacked, in processes or one by one, as each can be and is faster."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.basic_launcher import BasicLauncher

from lossbench.config.schema import RunConfig
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

if TYPE_CHECKING:
    from lossbench.launch.forked import ForkServer
    from lossbench.launch.outlook.way import Way


class AutoLauncher(BasicLauncher):
    """Train at once what can be, the rest in several processes where there are cores or GPUs, else one by one.

    Sweepers that know no run directories get Hydra's own launcher.

    Args:
        memory_gb: what a stack of runs may take, in GB; None is half of the free memory.
        max_runs: most runs in a stack; None is as many as fit.
        n_jobs: processes at a time; None is one for each GPU, without GPUs one for each CPU core that memory allows.
        tensorboard: whether TensorBoard's records are written; "auto" of stacks of at most 100 runs.
    """

    def __init__(
        self,
        memory_gb: float | None = None,
        max_runs: int | None = None,
        n_jobs: int | None = None,
        tensorboard: bool | str = "auto",
    ) -> None:
        super().__init__()
        self.memory_gb, self.max_runs, self.n_jobs = memory_gb, max_runs, n_jobs
        self.tensorboard: bool | str = tensorboard
        self.server: ForkServer | None = None

    def check_settings(self, runs_dir: Path) -> None:
        """Refuse limits that are none."""
        from lossbench.launch.processes import check_n_jobs
        from lossbench.vectorized.launch.limits import check_limits

        check_limits(self.memory_gb, self.max_runs, self.tensorboard)
        check_n_jobs(self.n_jobs)

    def check_supported(self, config: RunConfig) -> None:
        """Refuse what this machine cannot run."""
        from lossbench.launch.processes import check_one_machine

        check_one_machine(config, "auto")

    def way(self) -> "Way":
        """How runs go on: as `choose` chooses for them."""
        from lossbench.vectorized.launch.outlook import way_of_auto

        return way_of_auto(self.n_jobs, self.prepare)

    def prepare(self, configs: Sequence[RunConfig]) -> None:
        """Start the process that forks those of new runs that are not stacked: it imports torch meanwhile."""
        from lossbench.launch.forked import started_server
        from lossbench.vectorized.launch.choice import choose

        choice = choose(configs, self.n_jobs)
        if choice.n_jobs > 1:
            self.server = started_server([configs[k] for k in choice.others])

    def run_directories(self, runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
        """Bring planned directories to their results."""
        from lossbench.vectorized.launch.auto import run_auto  # imports torch
        from lossbench.vectorized.memory import Limits

        server, self.server = self.server, None
        run_auto(runs, progress, Limits(self.memory_gb, self.max_runs, self.tensorboard), self.n_jobs, server)
