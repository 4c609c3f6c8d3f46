"""Several processes of one run must mean the same run."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from lossbench.errors import UserError


class Agreement(Callback):
    """Compare among all processes, before the first step, what each believes it is to run.

    Args:
        facts: name -> text that must be the same everywhere, such as the configuration's hash.
    """

    def __init__(self, facts: dict[str, str]) -> None:
        self.facts = facts

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop every process where two of them differ, before anything is trained or measured."""
        if trainer.world_size > 1:
            require_same(gather(self.facts, trainer.world_size))


def gather(facts: dict[str, str], world_size: int) -> list[dict[str, str]]:
    """Give what every process says, in the order of their ranks."""
    from torch import distributed

    everywhere: list[Any] = [None] * world_size
    distributed.all_gather_object(everywhere, facts)
    return everywhere


def require_same(everywhere: list[dict[str, str]]) -> None:
    """Refuse facts that differ between ranks.

    Raises:
        UserError: names the fact and the ranks.
    """
    for name, value in everywhere[0].items():
        others = [rank for rank, facts in enumerate(everywhere) if facts.get(name) != value]
        if others:
            raise UserError(
                f"the {name} of rank {', '.join(map(str, others))} is {everywhere[others[0]].get(name)}, "
                f"that of rank 0 {value}: "
                "every node must see the same run directory, data and code"
            )
