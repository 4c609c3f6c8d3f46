"""hydra/launcher=slurm: the runs of a multirun as jobs of a SLURM cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

if TYPE_CHECKING:
    from lossbench.launch.outlook.way import Way


class SlurmLauncher(Launcher):
    """Submit every run of a multirun, or stacks of runs, as tasks of a job array, and wait for the results.

    Args:
        wait: whether to wait; otherwise the jobs are named, and the same command attaches to them later.
        poll_seconds: between two looks at the queue.
        stack: whether a task trains all runs at once that can be stacked.
        max_runs: most runs of such a task.
        resources: what a task asks for: `lossbench.launch.slurm.resources.Resources`.
    """

    def __init__(
        self,
        wait: bool = True,
        poll_seconds: float = 5.0,
        stack: bool = False,
        max_runs: int = 500,
        **resources: Any,
    ) -> None:
        self.wait, self.poll_seconds, self.resources = wait, poll_seconds, resources
        self.stack, self.max_runs = stack, max_runs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing: a run directory holds all it needs."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> NoReturn:
        """Refuse Hydra's own way of launching, which knows overrides and no run directories."""
        raise UserError("hydra/launcher=slurm needs hydra/sweeper=compare, the default; leave hydra/sweeper out")

    def check_settings(self, runs_dir: Path) -> None:
        """Refuse settings, a place of runs and a machine with which no job could be submitted."""
        from lossbench.launch.slurm.launch import check_launcher, check_stacks

        check_stacks(self.stack, self.max_runs)
        check_launcher(self.resources, self.wait, self.poll_seconds, runs_dir)

    def check_supported(self, config: RunConfig) -> None:
        """Refuse distributed runs where stacks are asked for; each job checks what its node has."""
        if self.stack and config.trainer.processes > 1:
            trainer = config.trainer
            raise UserError(
                f"hydra.launcher.stack=true with trainer.devices={trainer.devices}, trainer.num_nodes="
                f"{trainer.num_nodes}: a stack is one process; take 1 and 1, or leave hydra.launcher.stack out"
            )

    def way(self) -> "Way":
        """How runs go on: as jobs, of which the cluster decides how many run at a time."""
        from lossbench.launch.outlook.way import PROCESS_SECONDS, Way

        words = "if run here one after another; the cluster decides how many run at a time"
        if not self.stack:
            return Way(words, None, PROCESS_SECONDS)
        from lossbench.launch.slurm.resources import Resources
        from lossbench.launch.slurm.submit import least_tasks
        from lossbench.vectorized.launch.divide import sizes_of
        from lossbench.vectorized.launch.outlook import stack_of, time_stack

        resources = Resources(**self.resources)

        def cut(runs: int) -> list[int]:
            return sizes_of(runs, self.max_runs, least_tasks(resources))

        return Way(words, None, PROCESS_SECONDS, stack_of, time_stack, cut)

    def run_directories(self, runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
        """Bring planned directories to their results."""
        from lossbench.launch.slurm.division import each_alone
        from lossbench.launch.slurm.launch import run_on_slurm
        from lossbench.launch.slurm.resources import Resources
        from lossbench.vectorized.launch.divide import in_stacks

        divide = in_stacks(self.max_runs) if self.stack else each_alone
        run_on_slurm(runs, progress, Resources(**self.resources), self.wait, self.poll_seconds, divide)
