"""Sweeps through the vectorised launcher and others, as a user types them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from conftest import ROOT
from typed import command

from lossbench.rundir.directory import RunDirectory

TRAIN = str(ROOT / "train.py")
BASIC = "hydra/launcher=basic"
VECTORIZED = "hydra/launcher=vectorized"
QUIET = "hydra.sweeper.report=false"


def sweep(*words: str, runs: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Type a sweep, one run after another unless words name a launcher."""
    return command(TRAIN, "-m", *with_launcher(words), QUIET, runs=runs, env=env)


def with_launcher(words: Sequence[str]) -> tuple[str, ...]:
    """Words of a sweep, one run after another unless they name a launcher."""
    named = any(word.startswith("hydra/launcher=") for word in words)
    return (*words, *([] if named else [BASIC]))


def directories(runs: Path) -> dict[str, RunDirectory]:
    return {str(path.parent.relative_to(runs)): RunDirectory(path.parent) for path in sorted(runs.rglob("config.yaml"))}
