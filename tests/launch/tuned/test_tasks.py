"""Fair fights between losses of several labels, and of classes in order."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from typed import command

FIGHT = ("-m", "hydra/sweeper=tuned", "hydra/launcher=vectorized", "trials=8", "trainer.max_epochs=2", "study=s")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "baseline", "metric"),
    [
        (
            ("data=toy_labels", "data.n=128", "loss=asymmetric,bce", "monitor=val/mean_average_precision"),
            "bce",
            "mean_average_precision",
        ),
        (("data=toy_ordinal", "data.n=128", "loss=corn,cross_entropy"), "cross_entropy", "mae"),
    ],
)
def test_a_fair_fight_has_the_baseline_and_the_metric_of_its_task(
    tmp_path: Path, words: tuple[str, ...], baseline: str, metric: str
) -> None:
    done = command(str(ROOT / "train.py"), *FIGHT, "replicate=range(4)", *words, runs=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "one by one" not in done.stdout
    (plan,) = (tmp_path / "s.tuned" / "plans").glob("*/plan.json")
    assert json.loads(plan.read_text())["baseline"] == baseline
    assert f"test/{metric}" in done.stdout
    other = next(name for name in ("asymmetric", "corn") if any(name in word for word in words))
    assert f"{other} " in done.stdout
