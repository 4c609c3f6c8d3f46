"""A sweep as a user types it, with a learning rate at which one loss becomes NaN in some replicates."""

import json
from pathlib import Path

import pytest
from sweeping import TRAIN, VECTORIZED
from typed import command

from lossbench.report.records import find_runs, read_records


@pytest.mark.slow
def test_a_loss_that_diverges_in_some_replicates_is_never_better(tmp_path: Path) -> None:
    words = ("data=digits", "trainer.max_epochs=2", "optimizer=sgd", "optimizer.lr=0.03", "replicate=range(8)")
    done = command(TRAIN, "-m", *words, "loss=cross_entropy,inverse", VECTORIZED, runs=tmp_path)
    assert done.returncode == 1
    records = read_records(find_runs([tmp_path]))
    lost = [record for record in records if record.state == "failed"]
    assert {(record.name.setting, record.status["cause"]) for record in lost} == {("digits-mlp-inverse", "diverged")}
    assert {record.state for record in records if record not in lost} == {"done"}
    # Another ends with finite weights whose outputs are not.
    count = len(lost) + sum(record.metrics.get("test/accuracy", 0) is None for record in records)
    assert len(lost) < count < 8
    text = " ".join(done.stdout.split())
    assert f"inverse diverged in {count} of 8 runs." in text
    assert "each counts as 10." in text
    assert "Train with inverse" not in text
    plan, look = (json.loads(line) for line in (tmp_path / "default" / "journal.jsonl").read_text().splitlines())
    assert (plan["what"], {arm["loss"] for arm in plan["arms"].values()}) == ("plan", {"cross_entropy", "inverse"})
    (arm,) = look["arms"].values()
    assert (arm["n"], arm["outcomes"].count("diverged")) == (8, count)
    assert arm["verdict"] in ("worse", "undecided")
