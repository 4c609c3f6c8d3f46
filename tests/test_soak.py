"""scripts/soak_signals.py, with a few runs: each way to stop one, at a random time."""

from pathlib import Path

import pytest
from conftest import ROOT
from typed import command


@pytest.mark.slow
def test_a_run_that_is_stopped_anywhere_is_true_and_goes_on(tmp_path: Path) -> None:
    done = command(str(ROOT / "scripts" / "soak_signals.py"), "4", runs=tmp_path, fresh=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("4 of 4 stopped soon, with a true status, and went on to the same result\n")
