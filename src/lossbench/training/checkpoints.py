"""Checkpoint files: what each holds, whoever trained the run, and how they are read and written."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from lossbench.errors import UserError, one_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_atomic
from lossbench.rundir.kinds import Kind, check_kinds
from lossbench.rundir.reading import DamagedError, open_file

AGAIN = "delete it and repeat the command to train from the beginning"  # where a run goes on
ANEW = "restore it, or start the run with force=true, which archives its directory and trains anew"  # of a trained run
PREFIX, LOSS_PREFIX = "model.", "loss."  # of the weights in state_dict, as Lightning names them


def _is_state(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(isinstance(name, str) and isinstance(part, Tensor) for name, part in cast(dict[Any, Any], value).items())


WEIGHTS = {"state_dict": Kind(_is_state, "tensors by name")}


def run_entries(
    *, history_bytes: int, seconds: float, should_stop: bool = False, is_best: bool = False
) -> dict[str, Any]:
    """What a run adds to Lightning's entries (state_dict, global_step, epoch, ...).

    Args:
        history_bytes: length of metrics.csv; a resumed run cuts it back to that.
        seconds: that the run has taken so far, in all its starts.
        should_stop: whether max_steps or early stopping ended the training, which they do not remember.
        is_best: whether the checkpoint is to become best.ckpt too.
    """
    return {"history_bytes": history_bytes, "seconds": seconds, "should_stop": should_stop, "is_best": is_best}


def trained_checkpoint(
    weights: Mapping[str, Tensor], step: int, epoch: int, *, history_bytes: int, seconds: float, should_stop: bool
) -> dict[str, Any]:
    """The checkpoint of a run that is not resumed any more: enough to load it, and to measure it again.

    Args:
        weights: the model's state.
        step: updates done.
        epoch: the last one, counted from 0.
        history_bytes: length of metrics.csv.
        seconds: that the run has taken.
        should_stop: whether max_steps ended the training there.
    """
    state = {PREFIX + name: tensor.cpu() for name, tensor in weights.items()}
    entries = {"state_dict": state, "global_step": step, "epoch": epoch}
    return entries | run_entries(history_bytes=history_bytes, seconds=seconds, should_stop=should_stop)


def model_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of the model in a checkpoint."""
    return _part(checkpoint, PREFIX)


def loss_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters and buffers of the loss in a checkpoint."""
    return _part(checkpoint, LOSS_PREFIX)


def _part(checkpoint: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def read_checkpoint(path: Path, way_out: str = AGAIN) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it.

    Raises:
        DamagedError: it is missing, truncated, or holds more than tensors and plain containers.
    """
    refused = "is refused: it is damaged or holds more than tensors and plain values"
    try:
        with damage_named(path, refused, way_out), open_file(path) as file:
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except DamagedError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            missing = "does not exist; keep_checkpoints says which checkpoints a run keeps"
            raise DamagedError(path, missing, way_out) from error
        raise
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise DamagedError(path, "is refused: it is not a checkpoint of a run", way_out)
    return checkpoint


def read_weights(path: Path) -> dict[str, Any]:
    """Read a checkpoint of a trained run.

    Raises:
        DamagedError: it is missing or damaged.
    """
    checkpoint = read_checkpoint(path, ANEW)
    check_kinds(path, checkpoint, WEIGHTS, ANEW)
    return checkpoint


def require_kinds(path: Path, checkpoint: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Require entries of these kinds.

    Raises:
        DamagedError: one is missing or of another kind.
    """
    if missing := [name for name in kinds if name not in checkpoint]:
        raise DamagedError(path, f"is damaged: it lacks {', '.join(missing)}", AGAIN)
    check_kinds(path, checkpoint, kinds, AGAIN)


def give_weights(module: nn.Module, weights: Mapping[str, Tensor], path: Path, way_out: str) -> None:
    """Give a module the weights of a checkpoint.

    Raises:
        DamagedError: weights are missing, surplus, or of another shape.
    """
    with damage_named(path, "does not fit the model", way_out):
        module.load_state_dict(weights)


@contextmanager
def damage_named(path: Path, reason: str, way_out: str) -> Generator[None]:
    """Name the file where what is read from it fails; lack of memory is no damage.

    Raises:
        DamagedError: the block failed.
    """
    try:
        yield
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        short = one_line(error).split(". ")[0][:160] or type(error).__name__
        raise DamagedError(path, f"{reason} ({short})", way_out) from error


def serialised(checkpoint: Mapping[str, Any]) -> memoryview:
    """The content of a checkpoint's file."""
    buffer = BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getbuffer()


def make_folder(folder: Path) -> None:
    """Make a folder for checkpoints.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


class VerifiedCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside the old one, read it back as anyone will, and only then take the old one's place."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save; a failure leaves the previous checkpoint untouched."""
        content, path = serialised(checkpoint), Path(path)
        make_folder(path.parent)
        write_atomic(path, lambda file: file.write(content), check=read_checkpoint)


def link_best(run: RunDirectory) -> None:
    """Give last.ckpt a second name, best.ckpt: the next last.ckpt is a new file, so this one stays as it is."""
    beside = run.checkpoint(".best")
    beside.unlink(missing_ok=True)
    try:
        os.link(run.checkpoint("last"), beside)
        os.replace(beside, run.checkpoint("best"))
    except OSError:  # a file system without hard links
        content = run.checkpoint("last").read_bytes()
        write_atomic(run.checkpoint("best"), lambda file: file.write(content))
