"""hydra/sweeper=tuned: every loss tuned with the same budget, in every replicate."""

import sys

from hydra_plugins.lossbench.sweeper import CompareSweeper, launcher_parts


class TunedSweeper(CompareSweeper):
    """Try settings for each loss, choose by validation, test what was chosen, then say which loss is better.

    Its arguments are those of CompareSweeper.
    """

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
