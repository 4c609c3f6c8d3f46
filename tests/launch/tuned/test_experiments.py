"""Experiments that are fair fights choose the sweeper themselves."""

from pathlib import Path

import pytest
from conftest import ROOT
from photos import make_imagenet
from typed import command

TRAIN = str(ROOT / "train.py")


def test_the_demo_is_a_fair_fight_without_m(tmp_path: Path) -> None:
    done = command(TRAIN, "experiment=digits_fair", "plan=true", runs=tmp_path / "runs")
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 losses and the baseline's twin, 8 trials of 240 steps in each of 15 replicates" in done.stdout


@pytest.mark.slow
def test_which_loss_takes_a_folder_of_photographs_to_a_verdict(tmp_path: Path) -> None:
    words = (
        "experiment=which_loss",
        f"data.root={make_imagenet(tmp_path / 'photographs') / 'train'}",
        "data.image_size=32",
        "model.backbone.pretrained=false",
        "hydra.sweeper.params.loss='cross_entropy,power'",
        "trials=8",
        "replicate=0,1",
        "logger=none",
    )
    done = command(TRAIN, *words, runs=tmp_path / "runs")
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.index("time: about ")
    assert said < done.stdout.index("trials: ") < done.stdout.index("refits: ") < done.stdout.index("report: ")
    assert done.stdout.startswith("plan ")
    assert list((tmp_path / "runs" / "which_loss.tuned").rglob("after_trials.svg"))
