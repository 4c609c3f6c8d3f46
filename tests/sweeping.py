"""Sweeps through the vectorised launcher and others, as a user types them."""

import subprocess
from pathlib import Path

from conftest import ROOT
from typed import command

from lossbench.rundir.directory import RunDirectory

TRAIN = str(ROOT / "train.py")
VECTORIZED = "hydra/launcher=vectorized"
QUIET = "hydra.sweeper.report=false"


def sweep(*words: str, runs: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return command(TRAIN, "-m", *words, QUIET, runs=runs, env=env)


def directories(runs: Path) -> dict[str, RunDirectory]:
    return {str(path.parent.relative_to(runs)): RunDirectory(path.parent) for path in sorted(runs.rglob("config.yaml"))}
