"""Earlier runs of the same data and model: what they took, and how far their losses differed."""

import glob
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossbench.config.schema import RunConfig
from lossbench.report.records import Record, read_records
from lossbench.rundir.flatten import flatten

MOST = 400  # runs that are read, the newest ones
COSTS = ("data.", "model.", "augment.", "optimizer.name", "trainer.")
"""Settings that decide how long an update takes, but for FREE."""
FREE = ("data.cache_dir", "data.replicate", "data.download", "trainer.max_epochs", "trainer.max_steps")


def earlier_runs(config: RunConfig, runs_dir: Path) -> list[Record]:
    """Read the done runs of the same data set and model, in any study, the newest ones."""
    names = glob.escape(f"{config.data.name}-{config.model.name}-")
    found = sorted(runs_dir.glob(f"*/{names}*/*/result.json"), key=_changed, reverse=True)[:MOST]
    return [record for record in read_records(path.parent for path in found) if record.result is not None]


def cost_key(params: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """What decides how long an update takes, of a flat configuration."""
    kept = {key: value for key, value in params.items() if key.startswith(COSTS) and not key.startswith(FREE)}
    return frozenset((key, repr(value)) for key, value in kept.items() if value not in (None, {}, []))


def key_of(config: RunConfig) -> frozenset[tuple[str, str]]:
    """What decides how long an update of a run takes."""
    return cost_key(flatten(config.record))


def alike_here(config: RunConfig, records: Sequence[Record]) -> list[Record]:
    """Those that cost the same for each update and ran on this machine: trials for a trial, which measures less."""
    key, host = key_of(config), socket.gethostname()
    here = [record for record in records if record.status.get("host") == host and record.trial == config.trial]
    return [record for record in here if cost_key(record.params) == key]


def _changed(path: Path) -> float:
    return path.lstat().st_mtime
