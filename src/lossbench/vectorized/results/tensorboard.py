"""TensorBoard's records of many runs, written at once: one by one each takes 7 ms to open and a thread to feed it."""

import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] - made at run time
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] - made at run time
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import CRC_TABLE, masked_crc32c
from torch.utils.tensorboard.summary import hparams

from lossbench.rundir.files import cannot_write, write_atomic
from lossbench.training.callbacks.loggers import compared
from lossbench.training.rows import scalars
from lossbench.vectorized.results.rows import RowBlock

TRAIN_POINTS = 50  # of train/*; metrics.csv has them all
BLANK = struct.unpack("<f", b"\1\1\1\1")[0]  # a value whose bytes all differ from those of 0.0


def write_tensorboard(
    folder: Path, params: Mapping[str, Any], records: bytes, steps: int, epoch: int, tested: Mapping[str, float]
) -> None:
    """Write the scalars of a run and its line in the HPARAMS tab.

    Args:
        folder: the run's tensorboard folder.
        params: the flat configuration.
        records: of its history, from `scalar_records`.
        steps: of the whole run.
        epoch: in which it ended.
        tested: the metrics of the test split.
    """
    now = time.time()
    _, started, ended = hparams(compared(params), {})
    before = [Event(wall_time=now, file_version="brain.Event:2"), Event(wall_time=now, summary=started)]
    after = [_event(now, steps, scalars(tested, epoch)), Event(wall_time=now, summary=ended)]
    content = b"".join((*map(_record, before), records, *map(_record, after)))
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_atomic(folder / f"events.out.tfevents.{now:.0f}.lossbench.0", lambda file: file.write(content))


def scalar_records(block: RowBlock, steps: int) -> list[bytes]:
    """Write the scalars of many runs as TensorBoard's records, for each run.

    Args:
        block: their rows.
        steps: of the whole run; of train/* about `TRAIN_POINTS` are shown.
    """
    now, every, place = time.time(), max(1, steps // TRAIN_POINTS), 0
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, as TensorBoard's own writer has it
        values = block.values.astype("<f4")
    events: list[np.ndarray] = []  # (runs, bytes) each
    for step, epoch, names in block.rows:
        mine = values[:, place : place + len(names)]
        place += len(names)
        if names[0] != "train/loss" or step % every == 0:
            samples = [_event(now, step, scalars(dict.fromkeys(names, x), epoch)) for x in (0.0, BLANK)]
            events.append(_filled(samples, mine))
    return [line.tobytes() for line in np.concatenate(_all_framed(events), axis=1)]


def _all_framed(events: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The records of events, (runs, bytes) each; checksums of equally long ones are computed together."""
    records: list[np.ndarray] = [np.zeros(0)] * len(events)
    for length in {event.shape[1] for event in events}:
        alike = [k for k, event in enumerate(events) if event.shape[1] == length]
        for k, record in zip(alike, _framed(np.stack([events[k] for k in alike])), strict=True):
            records[k] = record
    return records


def _event(now: float, step: int, values: Mapping[str, float]) -> Any:
    shown = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    return Event(wall_time=now, step=step, summary=Summary(value=shown))


def _filled(samples: Sequence[Any], values: np.ndarray) -> np.ndarray:
    """Copies of an event with other values: (runs, values) -> (runs, bytes). The samples differ where values are."""
    plain, marked = (np.frombuffer(sample.SerializeToString(), dtype=np.uint8) for sample in samples)
    data = np.repeat(plain[None], len(values), axis=0)
    data[:, plain != marked] = np.ascontiguousarray(values).view(np.uint8)
    return data


def _framed(data: np.ndarray) -> np.ndarray:
    """TensorFlow's record: length, its checksum, data (..., bytes), its checksum."""
    header = np.broadcast_to(np.frombuffer(struct.pack("<Q", data.shape[-1]), dtype=np.uint8), (*data.shape[:-1], 8))
    return np.concatenate((header, _checksum(header), data, _checksum(data)), axis=-1)


def _checksum(data: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of many equally long byte strings: (..., bytes) -> (..., 4)."""
    table = np.array(CRC_TABLE, dtype=np.uint32)
    crc = np.full(data.shape[:-1], 0xFFFFFFFF, dtype=np.uint32)
    for k in range(data.shape[-1]):
        crc = table[(crc ^ data[..., k]) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    masked = ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)
    return masked.astype("<u4")[..., None].view(np.uint8)


def _record(event: Any) -> bytes:
    data = event.SerializeToString()
    header = struct.pack("<Q", len(data))
    return b"".join((header, struct.pack("<I", masked_crc32c(header)), data, struct.pack("<I", masked_crc32c(data))))
