"""A run that must be done, because something is made of what it found. Torch-free."""

import os

from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result


def require_run(run: RunDirectory) -> None:
    """Refuse a folder that is no run directory.

    Raises:
        UserError: names it.
    """
    if not os.path.lexists(run.path / "config.yaml"):  # a link that leads nowhere is damage, which reading it names
        raise UserError(
            f"{run.path} is not a run directory: it holds no config.yaml; name one such as runs/STUDY/NAME/seed0"
        )


def finished(run: RunDirectory) -> Result:
    """Give the result of a run.

    Raises:
        UserError: it is no run directory, or not done.
    """
    require_run(run)
    result = run.result()
    if result is None:
        raise UserError(f"{run.path} is not done; run it with {run.start_command}")
    return result
