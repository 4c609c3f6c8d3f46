"""Whole fair fights on real digits: losses that are equal, twins of the baseline, and kills."""

import csv
import os
import random
import re
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from twin_studies import count_words
from typed import command, start_command, wait_until

from lossbench.tuning.study import Tuned, read_tuned

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
TRAIN = str(ROOT / "train.py")
LIGHT = ("data=digits", "study=s", "figures=false", "logger=none", "keep_checkpoints=none")
SMALL = (*LIGHT, "trainer.max_epochs=3", "loss=cross_entropy,power", "trials=8", "replicate=range(6)")
TEN = '''"""Cross-entropy times ten."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from lossbench.losses import Loss


@dataclass(eq=False)
class TenTimes(Loss):
    """Ten times cross-entropy."""

    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return 10 * F.cross_entropy(output, target, reduction="none")
'''


def fight(*words: str, runs: Path, cwd: Path = ROOT) -> Tuned:
    """Type a fair fight that comes to its end."""
    done = command(TRAIN, *words, runs=runs, cwd=cwd)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return found(runs)


def found(runs: Path) -> Tuned:
    (tuned,) = read_tuned(runs / "s.tuned")
    return tuned


def answer(tuned: Tuned) -> dict[str, str]:
    """Winners without the clock's figures, and the tables of the report."""
    kept = {
        path.name: re.sub(r'"(seconds|sha256)": [^,\n]*', "", path.read_text())
        for path in sorted(tuned.folder.glob("winners/*.json"))
    }
    (report,) = tuned.study.glob("reports/*/verdict.csv")
    tables = {name: (report.parent / name).read_text() for name in ("verdict.csv", "chosen.csv", "other_metrics.csv")}
    return {**kept, **tables}


def test_a_loss_times_ten_and_focal_without_its_factor_are_equivalent_to_cross_entropy(tmp_path: Path) -> None:
    options = tmp_path / "own" / "loss"
    options.mkdir(parents=True)
    (options / "focal_0.yaml").write_text("defaults: [focal]\ngamma: 0.0\n")
    (options / "ten.yaml").write_text("name: ten\ntarget: ten.TenTimes\n")
    (tmp_path / "ten.py").write_text(TEN)
    tuned = fight(
        *("--config-dir", str(options.parent), "-m", "hydra/sweeper=tuned", *LIGHT, "scheduler=cosine"),
        *("loss=cross_entropy,ten,focal_0", "trials=8", "trainer.max_epochs=15", "replicate=range(12)"),
        runs=tmp_path,
        cwd=tmp_path,
    )
    table = csv.DictReader(answer(tuned)["verdict.csv"].splitlines())
    verdicts = {row["arm"]: row["difference_verdict"] for row in table if row["arm"] != "cross_entropy"}
    assert verdicts == dict.fromkeys(("ten", "focal", "cross_entropy (twin)"), "equivalent")


def test_a_twin_seldom_differs(tmp_path: Path) -> None:
    tuned = fight(
        *("-m", "hydra/sweeper=tuned", *LIGHT, "trainer.max_epochs=4", "loss=cross_entropy", "trials=8"),
        *("replicate=range(80)", "hydra.sweeper.report=false"),
        runs=tmp_path,
    )
    counts = count_words(tuned, 8)
    print(counts)
    assert counts.total() == 10
    assert sum(count for word, count in counts.items() if "better" in word or "worse" in word) <= 2


def test_killed_five_times_it_ends_with_the_same_winners_and_verdict(tmp_path: Path) -> None:
    """Each kill comes when a random number of the files are there."""
    words, killed = ("-m", "hydra/sweeper=tuned", *SMALL), tmp_path / "killed"
    wanted = answer(fight(*words, runs=tmp_path / "whole"))
    for files in sorted(random.Random(1).sample(range(count_files(tmp_path / "whole")), 5)):
        process = start_command(TRAIN, *words, runs=killed, output=subprocess.DEVNULL, session=True)
        wait_until(lambda files=files: count_files(killed) >= files, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done = len([*killed.glob("s.*/*/replicate*/result.json")])
        print(f"killed at {count_files(killed)} files, {done} runs done")
    assert answer(fight(*words, runs=killed)) == wanted


def count_files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))
