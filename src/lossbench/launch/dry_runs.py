"""Dry runs of what is about to be planned, on a few examples. Torch-free until there is one."""

from typing import TYPE_CHECKING

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.hardware import importing

if TYPE_CHECKING:
    from lossbench.training.dry_run import DryRun


class DryRuns:
    """Build what new runs are made of before their directories are written; what runs have in common is tried once."""

    def __init__(self) -> None:
        self._dry_run: DryRun | None = None

    def __call__(self, config: RunConfig) -> None:
        """Try a configuration out.

        Raises:
            UserError: a part does not fit the others, or cannot be built from its settings.
        """
        if self._dry_run is None:
            with importing():
                from lossbench.training.dry_run import DryRun  # imports torch: only for a run that is new

            self._dry_run = DryRun()
        try:
            self._dry_run(config)
        except SystemExit as error:  # code of the user's own can do anything
            raise UserError(f"a loss, model or data set in a file of yours called sys.exit({error.code})") from error
