"""Commands as a user types them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conftest import ROOT

from lossbench.rundir.directory import RunDirectory

TYPED = {**os.environ, "OMP_NUM_THREADS": "1"}
for inherited in ("HYDRA_FULL_ERROR", "LOSSBENCH_WORDS_ERRORS"):
    TYPED.pop(inherited, None)


def command(
    *words: str,
    runs: Path,
    cwd: Path = ROOT,
    limit: Callable[[], object] | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run python with these words and wait."""
    env = {**TYPED, "LOSSBENCH_RUNS": str(runs), **(env or {})}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, preexec_fn=limit, check=False
    )


def train(*words: str, runs: Path, **options: Any) -> RunDirectory:
    """Type train.py, expect success and silence on stderr, and give the run directory that it names."""
    done = command(str(ROOT / "train.py"), *words, runs=runs, **options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return named_in(done.stdout)


def named_in(printed: str) -> RunDirectory:
    """The run directory that a command printed last."""
    return RunDirectory(Path(re.findall(r"everything is in (\S+)$", printed, flags=re.MULTILINE)[-1]))


def assert_one_line(code: int, stderr: str, *mentions: str) -> None:
    assert code == 1
    assert re.fullmatch(r"error: [^\n]+\n", stderr), stderr
    for mention in mentions:
        assert mention in stderr
