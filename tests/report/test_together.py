"""Parts of many runs at once are those of each run, whatever its shape; runs that differ do not spoil the others."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from made_runs import make_run

from lossbench.report.examples import Parts, RunOutputs, read_parts
from lossbench.report.records import Record, read_record
from lossbench.report.together import each_outputs

METRIC = "test/accuracy"


def saved(folder: Path, outputs: np.ndarray, targets: np.ndarray, accuracy: float | None = None) -> Record:
    if accuracy is None:
        accuracy = float((outputs.argmax(1) == targets).mean())
    run = make_run(folder, result={"metrics": {METRIC: accuracy}})
    ids = np.array([f"example {k}" for k in range(len(targets))])
    np.savez(run / "predictions.npz", test_outputs=outputs, test_targets=targets, test_ids=ids)
    return read_record(run)


def test_they_are_those_of_each_run(tmp_path: Path) -> None:
    stream = np.random.default_rng(0)
    sizes = [(20, 3), (20, 3), (10, 3), (20, 3), (20, 4), (20, 3)]
    runs = {
        unit: saved(tmp_path / str(unit), stream.normal(size=size).astype(np.float32), stream.integers(0, 3, size[0]))
        for unit, size in enumerate(sizes)
    }
    runs[6] = saved(tmp_path / "nan", np.full((20, 3), np.nan, np.float32), np.zeros(20, int), accuracy=0.5)
    runs[7] = saved(tmp_path / "out of range", np.ones((20, 3), np.float32), np.full(20, 3), accuracy=0.5)
    runs[8] = saved(tmp_path / "damaged", np.ones((20, 3), np.float32), np.zeros(20, int))
    (runs[8].path / "predictions.npz").write_bytes(b"x")
    arm: Any = SimpleNamespace(runs=runs)
    found = dict(each_outputs(arm, [METRIC]))
    assert list(found) == list(runs)
    assert METRIC in found[2].together
    for unit in range(8):
        ours, alone = read_parts(found[unit], METRIC), read_parts(RunOutputs(runs[unit]), METRIC)
        assert isinstance(ours, Parts) == isinstance(alone, Parts) == (unit < 6)
        assert np.array_equal(ours[1], alone[1])
    assert not found[8].together


def test_no_more_is_read_ahead_than_is_asked_for(tmp_path: Path) -> None:
    run = saved(tmp_path, np.ones((20, 3), np.float32), np.zeros(20, int))
    arm: Any = SimpleNamespace(runs={0: run})
    [(_, outputs)] = each_outputs(arm, ["test/mae", "test/own"])
    assert not outputs.together
