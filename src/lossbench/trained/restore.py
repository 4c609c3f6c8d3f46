"""The checkpoint of a trained run, found and put into its model."""

from pathlib import Path

from torch import nn

from lossbench.config.sections import Model
from lossbench.errors import UserError, suggest
from lossbench.rundir.directory import RunDirectory
from lossbench.training.checkpoints import ANEW, give_weights, loss_weights, model_weights, read_weights
from lossbench.training.evaluation import Loss
from lossbench.training.update import own_parameters


def checkpoint_path(run: RunDirectory, name: str | None) -> Path:
    """Find a checkpoint: last, best, or None for the one that was tested.

    Raises:
        UserError: there is no such name, or the run is a trial that kept none.
    """
    name = name or run.config.evaluate
    if name not in ("last", "best"):
        raise UserError(f"checkpoint={name} does not exist; {suggest(str(name), ('last', 'best'))}")
    path = run.checkpoint(name)
    if run.config.trial and not path.exists():
        raise UserError(
            f"{run.path} is a trial, and trials keep no checkpoint unless keep_checkpoints=last or best is typed; name "
            "a run of the folder that ends in .tuned: it has the settings that were chosen"
        )
    return path


def load_weights(model: nn.Module, loss: Loss, path: Path) -> None:
    """Give a model and its loss the weights of a checkpoint; put both into evaluation mode.

    A checkpoint of a stacked run has no state of the loss, which is that of its settings.

    Raises:
        UserError: the checkpoint is missing, damaged, unsafe, or of another model.
    """
    checkpoint = read_weights(path)
    give_weights(model, model_weights(checkpoint), path, ANEW)
    model.eval()
    if not isinstance(loss, nn.Module):
        return
    loss.eval()
    state = loss_weights(checkpoint)
    if state or own_parameters(loss):
        give_weights(loss, state, path, ANEW)


def from_checkpoint(model: Model) -> Model:
    """Build a model without the pretrained weights that it started from: its checkpoint has them all."""
    if not model.settings.get("pretrained"):
        return model
    stem = {"stem": "imagenet"} if model.settings.get("stem") == "auto" else {}
    record = {key: value for key, value in model.record.items() if key != "pretrained_match"}
    return Model({**record, "pretrained": False, **stem})
