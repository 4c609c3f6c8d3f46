"""hydra/launcher=vectorized: the runs of a multirun as one tensor program."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lossbench.errors import UserError
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

if TYPE_CHECKING:
    from lossbench.launch.outlook.way import Way


class VectorizedLauncher(Launcher):
    """Train all runs that differ only in seed, loss and numbers at once; the others one by one.

    Args:
        memory_gb: what a stack of runs may take, in GB; None is half of the free memory.
        max_runs: most runs in a stack; None is as many as fit.
        tensorboard: whether TensorBoard's records are written; "auto" of stacks of at most 100 runs.
    """

    def __init__(
        self, memory_gb: float | None = None, max_runs: int | None = None, tensorboard: bool | str = "auto"
    ) -> None:
        self.memory_gb, self.max_runs, self.tensorboard = memory_gb, max_runs, tensorboard

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing: a run directory holds all it needs."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> NoReturn:
        """Refuse Hydra's own way of launching, which knows overrides and no run directories."""
        raise UserError("hydra/launcher=vectorized needs hydra/sweeper=compare, the default; leave hydra/sweeper out")

    def check_settings(self, runs_dir: Path) -> None:
        """Refuse limits that are none."""
        from lossbench.vectorized.launch.limits import check_limits

        check_limits(self.memory_gb, self.max_runs, self.tensorboard)

    def way(self) -> "Way":
        """How runs go on: in stacks, the others one after another."""
        from lossbench.launch.outlook.way import Way
        from lossbench.vectorized.launch.outlook import stack_of, time_stack

        return Way(group=stack_of, time_stack=time_stack)

    def run_directories(self, runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
        """Bring planned directories to their results."""
        from lossbench.vectorized.launch.stacks import run_stacked  # imports torch

        run_stacked(runs, progress, self.memory_gb, self.max_runs, self.tensorboard)
