"""A trained run tested with the weights that were not chosen too, beside the score that counts."""

from typing import Any

from pytorch_lightning import Trainer

from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.last_and_best import of_history
from lossbench.training.assemble import Parts
from lossbench.training.checkpoints import ANEW, give_weights, read_weights
from lossbench.training.task import TrainingTask


def last_and_best_of(trainer: Trainer, task: TrainingTask, parts: Parts, run: RunDirectory) -> dict[str, Any]:
    """Say how far apart the last epoch and the best by validation are.

    Nothing is chosen by these scores. A trial is not tested. The model ends with the weights that were chosen.

    Args:
        trainer: that trained the run.
        task: with the weights that were chosen.
        parts: of the run.
        run: its directory.

    Returns:
        What `of_history` gives, in every process.
    """
    config = run.config
    metric = config.monitor.removeprefix("val/")
    tested: dict[str, float | None] = {}
    if not config.trial and f"test/{metric}" in task.results:
        tested = {config.evaluate: task.results[f"test/{metric}"].value}
        other = "best" if config.evaluate == "last" else "last"
        tested[other] = _tested_with(other, metric, trainer, task, parts, run)
    found = of_history(run.metrics_path.read_text(), config.monitor, tested) if trainer.is_global_zero else {}
    return trainer.strategy.broadcast(found)


def _tested_with(
    name: str, metric: str, trainer: Trainer, task: TrainingTask, parts: Parts, run: RunDirectory
) -> float | None:
    """Test the weights of last.ckpt or best.ckpt; those of the chosen step are tested already."""
    path, chosen_path = run.checkpoint(name), run.checkpoint(run.config.evaluate)
    if not (path.exists() and chosen_path.exists()):
        return None
    other, chosen = read_weights(path), read_weights(chosen_path)
    if other["global_step"] == chosen["global_step"]:
        return task.results[f"test/{metric}"].value
    give_weights(task, other["state_dict"], path, ANEW)
    with task.beside() as found:
        trainer.test(task, datamodule=parts.data, verbose=False)
    give_weights(task, chosen["state_dict"], chosen_path, ANEW)
    return found[f"test/{metric}"]
