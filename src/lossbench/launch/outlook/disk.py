"""About how much disk runs take: from earlier runs of the same settings, else from the model's size and the splits."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.earlier import cost_key, key_of
from lossbench.launch.outlook.runs import Sizes
from lossbench.report.records import Record
from lossbench.training.predictions import DROP_ABOVE, HALVE_ABOVE

if TYPE_CHECKING:
    from lossbench.training.timing import Timed

MEASURED = 5  # earlier runs whose files are measured
FIXED = 25_000  # bytes of config.yaml, status.json, result.json and train.log
ROW, ROWS, EPOCH_ROWS = 45, 5, 25  # bytes of a row of metrics.csv; rows of a logged step, and of an epoch
TENSORBOARD = 2.0  # its records are so many times as large as metrics.csv


def disk_of(
    config: RunConfig, sizes: Sizes, earlier: Sequence[Record], timed: Callable[[], "Timed"]
) -> dict[str, float]:
    """Estimate what a run leaves on the disk.

    Args:
        config: of the run.
        sizes: of the run.
        earlier: done runs of the same data and model.
        timed: gives the model's size, where it is needed.

    Returns:
        predictions, checkpoints and records (everything else) -> bytes.
    """
    alike = [record for record in earlier if _writes_the_same(record, config)]
    if alike:
        return _measured([record.path for record in alike[:MEASURED]], config, sizes, alike)
    size = timed()
    return {
        "predictions": _predictions(config, sizes, size.outputs),
        "checkpoints": _checkpoints(config, size),
        "records": _records(config, sizes),
    }


def words_of(each: Mapping[str, float], runs: int, runs_dir: Path) -> str:
    """Word it for some runs, beside what is free."""
    parts = ", ".join(f"{name} {in_bytes(size)}" for name, size in each.items() if size >= 1000)
    place = next(path for path in (runs_dir, *runs_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    total = runs * sum(each.values())
    short = ", which is not enough" if total > free else ""
    return f"about {in_bytes(total)} ({parts} a run), {in_bytes(free)} are free{short}"


def in_bytes(size: float) -> str:
    """Word a size: 12 kB, 3.4 MB, 56 GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.{0 if size >= 10 * factor else 1}f} {unit}"
    return f"{size / 1e3:.0f} kB"


def _writes_the_same(record: Record, config: RunConfig) -> bool:
    kept = ("keep_checkpoints", "save_predictions", "log_every_n_steps")
    same = all(record.params.get(name) == getattr(config, name) for name in kept)
    loggers = {key.split(".")[1] for key in record.params if key.startswith("logger.")}
    same = same and record.trial == config.trial
    return same and loggers == set(config.logger) and cost_key(record.params) == key_of(config)


def _measured(folders: Sequence[Path], config: RunConfig, sizes: Sizes, records: Sequence[Record]) -> dict[str, float]:
    """The mean of what some runs have left; records grow with the number of updates."""
    found = {"predictions": 0.0, "checkpoints": 0.0, "records": 0.0}
    steps = records[0].done_result.steps
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found[_kind(path)] += path.stat().st_size / path.stat().st_nlink / len(folders)
    found["records"] = FIXED + (found["records"] - FIXED) * sizes.steps / max(steps, 1)
    return found


def _kind(path: Path) -> str:
    if path.name == "predictions.npz":
        return "predictions"
    return "checkpoints" if path.suffix == ".ckpt" else "records"


def _predictions(config: RunConfig, sizes: Sizes, outputs: int) -> float:
    """Outputs in float32, or float16 where they are many; targets and ids of 8 bytes or more."""
    examples = sum(sizes.examples[stage] for stage in config.stages)
    size = examples * (4 * outputs + 8 + 40)
    if config.save_predictions is False or (config.save_predictions == "auto" and size > DROP_ABOVE):
        return 0.0
    return size - 2 * examples * outputs if config.save_predictions == "auto" and size > HALVE_ABOVE else size


def _checkpoints(config: RunConfig, size: "Timed") -> float:
    """Weights and what the optimiser keeps, in float32; the best one is another file where it is not the last."""
    files = {"all": 2, "last": 1, "best": 1, "none": 0}[config.keep_checkpoints]
    return files * (4 * size.parameters * (1 + size.slots) + 10_000)


def _records(config: RunConfig, sizes: Sizes) -> float:
    rows = ROWS * sizes.steps / config.log_every_n_steps + EPOCH_ROWS * sizes.epochs
    return FIXED + ROW * rows * (1 + TENSORBOARD * ("tensorboard" in config.logger))
