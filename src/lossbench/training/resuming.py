"""What a run needs of its last checkpoint to go on as if it had never stopped; a damaged one is named in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer

from lossbench.rundir.kinds import NUMBER, SETTINGS, TRUE_OR_FALSE, WHOLE, check_kinds, list_of
from lossbench.training.checkpoints import AGAIN, WEIGHTS, damage_named, read_checkpoint, require_kinds

STATES = list_of(SETTINGS, "a list of states")
TOTALS = list_of(list_of(NUMBER, "numbers"), "lists of numbers")
RUN = WEIGHTS | {
    "global_step": WHOLE, "epoch": WHOLE, "history_bytes": WHOLE,
    "should_stop": TRUE_OR_FALSE, "is_best": TRUE_OR_FALSE,
}  # fmt: skip
UNFINISHED = {
    "optimizer_states": STATES, "lr_schedulers": STATES, "train_totals": TOTALS,
    "callbacks": SETTINGS, "loops": SETTINGS,
}  # fmt: skip


def read_last(path: Path) -> dict[str, Any]:
    """Read a checkpoint from which a run goes on.

    Raises:
        DamagedError: it is damaged, or lacks something without which a run would go on in another way.
    """
    checkpoint = read_checkpoint(path)
    require_kinds(path, checkpoint, RUN)
    check_kinds(path, checkpoint, {"seconds": NUMBER}, AGAIN)
    return checkpoint


def require_unfinished(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Require what a run needs that trains on: the states of its optimiser, its schedule and its callbacks.

    Raises:
        DamagedError: something is missing or of another kind.
    """
    require_kinds(path, checkpoint, UNFINISHED)


def name_damage(trainer: Trainer, path: Path, resumed: Mapping[str, Any]) -> None:
    """Name the checkpoint in one line where Lightning cannot restore something from it, or would leave it out."""
    connector, named = trainer._checkpoint_connector, damage_named(path, "cannot be resumed from", AGAIN)
    restore_state = connector.restore_training_state

    def restore_all() -> None:
        for name, own in (("optimizer_states", trainer.optimizers), ("lr_schedulers", trainer.lr_scheduler_configs)):
            if len(resumed[name]) != len(own):
                raise ValueError(f"it holds {len(resumed[name])} {name}, the run has {len(own)}")
        restore_state()

    connector._restore_modules_and_callbacks = named(connector._restore_modules_and_callbacks)
    connector.restore_training_state = named(restore_all)
