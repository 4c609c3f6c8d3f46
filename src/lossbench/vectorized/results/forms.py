"""Checkpoints and predictions of the runs of a stack: made once, and filled with the bytes of each run."""

import struct
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from lossbench.data.module import DataModule
from lossbench.rundir.stored_zip import StoredZip
from lossbench.training.checkpoints import serialised, trained_checkpoint
from lossbench.training.evaluation import Evaluation
from lossbench.training.predictions import arrays_bytes, arrays_of

PICKLED = "archive/data.pkl"
PLACES = {"global_step": 0x5A17_0B01, "epoch": 0x5A17_0B02, "history_bytes": 0x5A17_0B03}
"""Numbers that stand in a form where those of each run belong; a pickle holds them as J and four bytes."""


class Checkpoints:
    """The checkpoints of runs whose models have the same shape.

    Args:
        seconds: that each run has taken.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._forms: dict[bool, StoredZip] = {}

    def content(
        self, weights: Mapping[str, Tensor], step: int, epoch: int, *, history_bytes: int, should_stop: bool
    ) -> bytearray:
        """The content of a run's checkpoint, as `trained_checkpoint` has it.

        Args:
            weights: the model's state.
            step: updates done.
            epoch: the last one, counted from 0.
            history_bytes: length of metrics.csv.
            should_stop: whether max_steps or early stopping ended the training there.
        """
        plain = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
        if should_stop not in self._forms:
            self._forms[should_stop] = self._form(plain, should_stop)
        form = self._forms[should_stop]
        pickled = form.read(PICKLED)
        for name, number in {"global_step": step, "epoch": epoch, "history_bytes": history_bytes}.items():
            pickled = pickled.replace(_integer(PLACES[name]), _integer(number))
        tensors = {f"archive/data/{k}": tensor.numpy().tobytes() for k, tensor in enumerate(plain.values())}
        return form.filled({PICKLED: pickled, **tensors})

    def _form(self, weights: Mapping[str, Tensor], should_stop: bool) -> StoredZip:
        step, epoch, history_bytes = PLACES.values()
        given = {"history_bytes": history_bytes, "seconds": self.seconds, "should_stop": should_stop}
        form = StoredZip(serialised(trained_checkpoint(weights, step, epoch, **given)))
        pickled = form.read(PICKLED)
        assert all(pickled.count(_integer(number)) == 1 for number in PLACES.values())
        return form


def _integer(number: int) -> bytes:
    """A number as a pickle has it that does not fit into two bytes."""
    return b"J" + struct.pack("<i", number)


class Predictions:
    """The predictions of runs: those of one replicate have the same targets and ids."""

    def __init__(self) -> None:
        self._forms: dict[tuple[object, ...], StoredZip] = {}

    def content(
        self, data: DataModule, evaluations: Mapping[str, Evaluation], wanted: bool | str
    ) -> tuple[bytes | bytearray | None, str]:
        """The content of a run's predictions.npz, None where there is none, and how the outputs are saved.

        Args:
            data: has the sample ids.
            evaluations: split -> outputs and targets.
            wanted: as `save_predictions` takes it.
        """
        arrays, saved = arrays_of(data, evaluations, wanted)
        if not arrays:
            return None, saved
        key = (id(data), *((name, array.shape, array.dtype) for name, array in arrays.items()))
        if key not in self._forms:
            self._forms[key] = StoredZip(arrays_bytes(arrays))
            return self._forms[key].content, saved
        return self._forms[key].filled(_outputs(arrays)), saved


def _outputs(arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """What differs between the runs of one replicate."""
    shared = ("_targets", "_ids")
    return {f"{name}.npy": array.tobytes() for name, array in arrays.items() if not name.endswith(shared)}
