"""Runs that are about to be planned, tried on a few examples first. Torch-free until there is one."""

from typing import TYPE_CHECKING

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError

if TYPE_CHECKING:
    from lossbench.training.trial import Trial


class Trials:
    """Build what new runs are made of before their directories are written; what runs have in common is tried once."""

    def __init__(self) -> None:
        self._trial: Trial | None = None

    def __call__(self, config: RunConfig) -> None:
        """Try a configuration out.

        Raises:
            UserError: a part does not fit the others, or cannot be built from its settings.
        """
        if self._trial is None:
            from lossbench.training.trial import Trial  # imports torch: only for a run that is new

            self._trial = Trial()
        try:
            self._trial(config)
        except SystemExit as error:  # code of the user's own can do anything
            raise UserError(f"a loss, model or data set in a file of yours called sys.exit({error.code})") from error
