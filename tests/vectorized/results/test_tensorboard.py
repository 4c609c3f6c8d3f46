"""TensorBoard's records of many runs, read by TensorBoard's own reader."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from lossbench.vectorized.results.rows import StackedRows
from lossbench.vectorized.results.tensorboard import _checksum, scalar_records, write_tensorboard

RUNS = 3


@pytest.mark.parametrize("length", [1, 8, 77])
def test_checksums_are_tensorboards(length: int) -> None:
    data = np.random.default_rng(0).integers(256, size=(2, RUNS, length), dtype=np.uint8)
    found = _checksum(data).view("<u4")[..., 0]
    assert found.tolist() == [[masked_crc32c(each.tobytes()) for each in row] for row in data]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_number_of_every_run_is_read_back(tmp_path: Path) -> None:
    rows, steps = StackedRows(), 300
    table = np.random.default_rng(0).standard_normal((steps, RUNS))
    table[5], table[129], table[131] = 0.0, (math.nan, math.inf, 1e300), -0.0  # beyond float32 it is infinite there
    for step in range(steps):
        rows.add(step, step // 100, {"train/loss": torch.from_numpy(table[step]), "train/norm": 2.0}, 0, RUNS)
        if step % 100 == 99:
            rows.add(step + 1, step // 100, {"val/accuracy": torch.from_numpy(table[step])}, 0, RUNS)
    (block,) = rows.blocks([3] * RUNS)
    for k, records in enumerate(scalar_records(block, steps)):
        write_tensorboard(tmp_path / str(k), {"seed": k}, records, steps, 2, {"test/accuracy": 0.25})
        board = EventAccumulator(str(tmp_path / str(k)), size_guidance={"scalars": 0}).Reload()
        shown = list(range(0, steps, 6))
        events = board.Scalars("train/loss")
        assert [event.step for event in events] == shown
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal([event.value for event in events], table[shown, k].astype(np.float32))
        assert {event.value for event in board.Scalars("train/norm")} == {2.0}
        assert [(event.step, event.value) for event in board.Scalars("val/accuracy")] == [
            (step + 1, np.float32(table[step, k])) for step in (99, 199, 299)
        ]
        assert [event.value for event in board.Scalars("test/accuracy")] == [0.25]
        assert [event.value for event in board.Scalars("epoch")][-1] == 2
