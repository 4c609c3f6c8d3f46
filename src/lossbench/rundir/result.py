"""What a finished run says: result.json and the table on the screen. Torch-free."""

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lossbench.config.schema import RunConfig
from lossbench.hardware import peak_memory
from lossbench.metrics.registry import shown
from lossbench.metrics.units import unit_of

PACKAGES = ("lossbench", "torch", "torchvision", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy")


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names; lists stay lists."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def versions() -> dict[str, str]:
    """The versions of everything that computes."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def git_state() -> dict[str, Any]:
    """The commit of the project the run was made with, and whether it had uncommitted changes; {} outside a repository."""

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *args], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))} if commit else {}
    except FileNotFoundError:  # no git on this machine
        return {}


def asked_now() -> dict[str, Any]:
    """What a result says about the code that made it."""
    return {"versions": versions(), "git": git_state()}


def make_result(
    config: RunConfig,
    *,
    digest: str,
    metrics: Mapping[str, tuple[float, float | None]],
    counts: Mapping[str, int],
    steps: int,
    epochs: int,
    seconds: float,
    command: list[str],
    made_with: Mapping[str, Any] | None = None,
    **more: object,
) -> dict[str, Any]:
    """Collect what result.json holds.

    Args:
        config: the resolved configuration.
        digest: the identity's hash.
        metrics: name -> value and half-width of its 95 % interval.
        counts: split -> number of examples.
        steps: updates done.
        epochs: epochs done.
        seconds: wall-clock time of this process's part of the run.
        command: what the user typed.
        made_with: what `asked_now` gives, where it has been asked already: it takes some 20 ms.
        more: further facts (engine, GPU memory).

    Returns:
        A JSON-ready dictionary.
    """
    return {
        "status": "done",
        "seed": config.seed,
        "loss": config.loss.name,
        "data": config.data.name,
        "model": config.model.name,
        "study": config.study,
        "hash": digest,
        "metrics": {name: value for name, (value, _) in metrics.items()},
        "half_width_95": {name: width for name, (_, width) in metrics.items()},
        "n": dict(counts),
        "params": flatten(config.record),
        "fingerprint": config.fingerprint,
        "steps": steps,
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_memory() / 1e6, 1),
        **(made_with or asked_now()),
        "command": command,
        **more,
    }


def table(result: Mapping[str, Any]) -> str:
    """Show the metrics of a result: value, half-width of its 95 % interval, unit and n, for val and test."""
    monitored = str(result["params"].get("monitor", "")).removeprefix("val/")
    names = [*shown("above the loss"), "loss", *shown("below the loss"), monitored, *yardsticks(result)]
    n = result["n"]
    lines = [f"{'':24}{'val (n = ' + str(n['val']) + ')':>24}{'test (n = ' + str(n['test']) + ')':>24}"]
    for name in dict.fromkeys(names):
        if f"test/{name}" in result["metrics"]:
            cells = "".join(f"{_cell(result, f'{stage}/{name}'):>24}" for stage in ("val", "test"))
            lines.append(f"{name + _unit(name):24}{cells}")
    return "\n".join(lines)


def yardsticks(result: Mapping[str, Any]) -> list[str]:
    """The names of the yardstick losses of a result."""
    parts = (key.split(".") for key in result["params"] if key.startswith("yardsticks."))
    return list(dict.fromkeys(part[1] for part in parts))


def _unit(name: str) -> str:
    unit = unit_of(name).name
    return f" ({unit})" if unit else ""


def _cell(result: Mapping[str, Any], name: str) -> str:
    unit = unit_of(name)
    value, width = result["metrics"][name], result["half_width_95"][name]
    style = f".{unit.digits}f" if max(abs(value), abs(width or 0)) < 1e4 else ".3g"
    return f"{unit.factor * value:{style}}" + ("" if width is None else f" ± {unit.factor * width:{style}}")
