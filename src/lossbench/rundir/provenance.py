"""With which code a run is computed: versions and git state. Torch-free."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("lossbench", "torch", "torchvision", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy")


def versions() -> dict[str, str]:
    """The versions of everything that computes."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def git_state() -> dict[str, Any]:
    """The commit of the project and whether it had uncommitted changes; {} where no repository tracks lossbench."""

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *args], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if not git("ls-files", Path(__file__).name):  # installed inside a repository of the user's own
            return {}
        commit = git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))} if commit else {}
    except FileNotFoundError:  # no git on this machine
        return {}


def code_state() -> dict[str, Any]:
    """What a result records about the code that computes it."""
    return {"versions": versions(), "git": git_state()}
