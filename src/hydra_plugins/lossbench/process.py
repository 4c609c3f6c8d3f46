"""hydra/launcher=process: the runs of a multirun in processes of their own, several at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

if TYPE_CHECKING:
    from lossbench.launch.forked import ForkServer
    from lossbench.launch.outlook.way import Way


class ProcessLauncher(Launcher):
    """Run several runs of a multirun at a time on this machine; distributed ones (trainer.devices=2) too.

    Args:
        n_jobs: runs at a time; None is one for each GPU, without GPUs one for each CPU core that memory allows.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs
        self.server: ForkServer | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing: a run directory holds all it needs."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> NoReturn:
        """Refuse Hydra's own way of launching, which knows overrides and no run directories."""
        raise UserError("hydra/launcher=process needs hydra/sweeper=compare, the default; leave hydra/sweeper out")

    def check_settings(self, runs_dir: Path) -> None:
        """Refuse a number of jobs that is none."""
        from lossbench.launch.processes import check_n_jobs

        check_n_jobs(self.n_jobs)

    def check_supported(self, config: RunConfig) -> None:
        """Refuse what this machine cannot run."""
        from lossbench.launch.processes import check_one_machine

        check_one_machine(config, "process")

    def way(self) -> "Way":
        """How runs go on: several at a time, each in a process of its own."""
        from lossbench.launch.outlook.way import FORK_SECONDS, Way
        from lossbench.launch.pool import most_at_a_time

        n_jobs = self.n_jobs or most_at_a_time()
        return Way(f"{n_jobs} at a time", n_jobs, FORK_SECONDS, prepare=self.prepare)

    def prepare(self, configs: Sequence[RunConfig]) -> None:
        """Start the process that forks those of new runs: it imports torch while they are tried out."""
        from lossbench.launch.forked import started_server

        self.server = started_server(configs)

    def run_directories(self, runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
        """Bring planned directories to their results."""
        from lossbench.launch.processes import run_in_processes

        server, self.server = self.server, None
        run_in_processes(runs, progress, self.n_jobs, server)
