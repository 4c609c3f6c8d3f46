"""Run directories made the way train.py makes them, without starting a new process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lossbench.cli.overrides import load_yardstick
from lossbench.config.resolve import prepare
from lossbench.rundir.directory import RunDirectory

ROOT = Path(__file__).parents[1]


def plan_run(runs_dir: Path, *overrides: str) -> RunDirectory:
    """Compose and plan, as train.py does."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        logger = [] if any(word.startswith("logger=") for word in overrides) else ["logger=none"]
        config = compose("train", overrides=[f"runs_dir={runs_dir}", *logger, *overrides])
        plain = OmegaConf.to_container(config, resolve=True)
        assert isinstance(plain, dict)
        return prepare({str(key): value for key, value in plain.items()}, load_yardstick, ["test"])


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., RunDirectory]:
    """Plan a run below a temporary folder."""
    return lambda *overrides: plan_run(tmp_path / "runs", *overrides)
