"""Run directories made the way train.py makes them, without starting a new process; a page of a browser."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lossbench.config.composition import composed, hydra_started, load_yardstick, plain
from lossbench.config.resolve import prepare
from lossbench.job.signals import SIGNALS
from lossbench.rundir.directory import RunDirectory

if TYPE_CHECKING:
    from browser import Page

ROOT = Path(__file__).parents[1]


def plan_run(runs_dir: Path, *overrides: str) -> RunDirectory:
    """Compose and plan, as train.py does."""
    logger = [] if any(word.startswith("logger=") for word in overrides) else ["logger=none"]
    with hydra_started():
        config = plain(composed([f"runs_dir={runs_dir}", *logger, *overrides]))
        return prepare(config, load_yardstick, ["test"])


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., RunDirectory]:
    """Plan a run below a temporary folder."""
    return lambda *overrides: plan_run(tmp_path / "runs", *overrides)


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Tests in the background of a script start with SIGINT ignored, those of nohup with SIGHUP."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def page() -> Iterator["Page"]:
    """A page of a real browser."""
    from browser import BROWSER, browse

    with browse(str(BROWSER)) as opened:
        yield opened
