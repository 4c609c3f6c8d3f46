"""TensorBoard's records of a run, written at once: torch's writer takes 7 ms to open one file and a thread to feed it."""

import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] - made at run time
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] - made at run time
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from torch.utils.tensorboard.summary import hparams

from lossbench.callbacks.loggers import compared
from lossbench.contract.files import cannot_write, write_atomic

TRAIN_POINTS = 50  # of train/*; metrics.csv has them all


def write_board(
    folder: Path, params: Mapping[str, Any], rows: Sequence[tuple[int, int, Sequence[str], Sequence[float]]], steps: int
) -> None:
    """Write the scalars of a run and its line in the HPARAMS tab.

    Args:
        folder: the run's tensorboard folder.
        params: the flat configuration.
        rows: step, epoch, names and values, in order.
        steps: of the whole run.
    """
    now = time.time()
    every = max(1, steps // TRAIN_POINTS)
    _, started, ended = hparams(compared(params), {})
    events = [Event(wall_time=now, file_version="brain.Event:2"), Event(wall_time=now, summary=started)]
    for step, epoch, names, values in rows:
        if names[0] != "train/loss" or step % every == 0:
            scalars = [Summary.Value(tag=name, simple_value=value) for name, value in (*zip(names, values, strict=True), ("epoch", epoch))]
            events.append(Event(wall_time=now, step=step, summary=Summary(value=scalars)))
    events.append(Event(wall_time=now, summary=ended))
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    content = b"".join(_records(events))
    write_atomic(folder / f"events.out.tfevents.{now:.0f}.lossbench.0", lambda file: file.write(content))


def _records(events: Iterable[Event]) -> Iterable[bytes]:
    for event in events:
        data = event.SerializeToString()
        header = struct.pack("<Q", len(data))
        yield header + struct.pack("<I", masked_crc32c(header)) + data + struct.pack("<I", masked_crc32c(data))
