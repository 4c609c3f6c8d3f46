"""The best weights of each stacked run."""

from pathlib import Path

import pytest
from run_files import result_of, rows
from sweeping import VECTORIZED, directories, sweep


@pytest.mark.slow
def test_the_best_weights_are_tested_with_evaluate_best(tmp_path: Path) -> None:
    words = (
        "data=digits",
        "model=linear",
        "optimizer.lr=0.3",
        "trainer.max_epochs=6",
        "evaluate=best",
        "keep_checkpoints=best",
        "seed=0,1",
    )
    for name, more in (("ours", (VECTORIZED,)), ("theirs", ())):
        assert sweep(*words, *more, runs=tmp_path / name).returncode == 0
    ours, theirs = directories(tmp_path / "ours"), directories(tmp_path / "theirs")
    for name, run in ours.items():
        mine, its = result_of(run).metrics, result_of(theirs[name]).metrics
        assert mine["test/accuracy"] == its["test/accuracy"]
        assert mine == pytest.approx(its, abs=1e-2)
        assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["best.ckpt"]
        assert mine["val/accuracy"] == pytest.approx(max(value for _, value in rows(run, "val/accuracy")))
