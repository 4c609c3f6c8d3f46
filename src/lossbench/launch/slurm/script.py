"""The files that sbatch gets: plain, readable, and good to be submitted by hand."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossbench.errors import UserError

TIME = r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}"  # minutes, minutes:seconds, hours:minutes:seconds, days-hours...


@dataclass(frozen=True)
class Resources:
    """What a run asks a cluster for, besides what follows from the run itself (nodes, tasks, GPUs).

    Args:
        partition: None is the cluster's default.
        account: None is the user's default.
        qos: None is the user's default.
        time: limit in SLURM's words, e.g. 04:00:00; a run that reaches it is saved and queued again.
        memory_gb: of a node, GB; None is the cluster's default.
        cpus: for each task (process).
        gpus: for each node; None is trainer.devices where trainer.accelerator is gpu, otherwise 0.
        constraint: features that nodes must have.
        parallel: most runs of one array at a time; None is as many as SLURM lets run.
        signal_seconds: how long before the time limit a run is told to save.
        sbatch: further options, e.g. ["--exclusive", "--mail-type=FAIL"].
        setup: shell lines before the run, e.g. ["module load cuda"].
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: str = "04:00:00"
    memory_gb: float | None = 16
    cpus: int = 4
    gpus: int | None = None
    constraint: str | None = None
    parallel: int | None = None
    signal_seconds: int = 120
    sbatch: Sequence[str] = field(default_factory=tuple)
    setup: Sequence[str] = field(default_factory=tuple)

    def check(self) -> None:
        """Refuse what sbatch would not understand.

        Raises:
            UserError: names the key, what was found and what is allowed.
        """
        for name, least, none in (
            ("cpus", 1, False),
            ("gpus", 0, True),
            ("parallel", 1, True),
            ("signal_seconds", 1, False),
        ):
            value = getattr(self, name)
            if not (value is None and none) and (
                isinstance(value, bool) or not isinstance(value, int) or value < least
            ):
                raise _wrong(name, f"a whole number >= {least}" + (" or null" if none else ""), value)
        number = isinstance(self.memory_gb, int | float) and not isinstance(self.memory_gb, bool)
        if self.memory_gb is not None and not (number and self.memory_gb > 0):
            raise _wrong("memory_gb", "a number > 0 or null", self.memory_gb)
        if not re.fullmatch(TIME, str(self.time)):
            raise _wrong("time", "a limit such as 04:00:00, 90 (minutes) or 2-12 (days-hours)", self.time)
        for name in ("partition", "account", "qos", "constraint"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value or re.search(r"[\s#]", value)):
                raise _wrong(name, "one word or null", value)
        for name in ("sbatch", "setup"):
            lines = getattr(self, name)
            if isinstance(lines, str) or not all(isinstance(line, str) and "\n" not in line for line in lines):
                raise _wrong(name, "a list of lines", lines)
        if not all(option.startswith("-") for option in self.sbatch):
            raise _wrong("sbatch", "a list of options such as [--exclusive]", list(self.sbatch))

    def options(self, trainer: Mapping[str, Any]) -> list[str]:
        """The options of sbatch for a run with these trainer settings."""
        gpus = self.gpus if self.gpus is not None else trainer["devices"] * (trainer["accelerator"] == "gpu")
        asked = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.time,
            "mem": None if self.memory_gb is None else f"{1000 * self.memory_gb:.0f}M",
            "nodes": trainer["num_nodes"],
            "ntasks-per-node": trainer["devices"],
            "cpus-per-task": self.cpus,
            "gres": f"gpu:{gpus}" if gpus else None,
            "constraint": self.constraint,
            "signal": f"USR1@{self.signal_seconds}",
        }
        given = [f"--{name}={value}" for name, value in asked.items() if value is not None]
        return [*given, "--requeue", "--open-mode=append", f"--chdir={Path.cwd()}", *self.sbatch]


def _wrong(name: str, allowed: str, found: object) -> UserError:
    return UserError(f"hydra.launcher.{name} must be {allowed}, got {found!r}")


def job_script(run: Path, resources: Resources, trainer: Mapping[str, Any]) -> str:
    """The file job.sh of one run: `sbatch job.sh` starts it, or goes on with it, on its own.

    Args:
        run: its directory, absolute.
        resources: what it asks for.
        trainer: its trainer settings; tasks and nodes follow from them.
    """
    lines = [*resources.options(trainer), f"--job-name={run.parent.name}-{run.name}", f"--output={run}/slurm.log"]
    command = f"{shlex.quote(sys.executable)} -m lossbench.job {shlex.quote(str(run))}"
    return "\n".join(
        (
            "#!/bin/bash",
            *(f"#SBATCH {line}" for line in lines),
            "# One run, from its beginning or from its last checkpoint. SIGUSR1 comes before the time is over: the run saves what it has",
            "# and asks to be queued again. A task that fails ends the others at once.",
            *resources.setup,
            f"exec srun --kill-on-bad-exit=1 --cpus-per-task={resources.cpus} {command}",
            "",
        )
    )


def array_script(folder: Path, name: str, count: int, resources: Resources, trainer: Mapping[str, Any]) -> str:
    """The file that submits many runs as one job array: task k runs job.sh of line k + 1 of runs.txt.

    Args:
        folder: where it lies, with runs.txt.
        name: the array's, by which its tasks are found again.
        count: runs.
        resources: what each asks for.
        trainer: the trainer settings that all of them share.
    """
    most = "" if resources.parallel is None else f"%{resources.parallel}"
    lines = [
        *resources.options(trainer),
        f"--job-name={name}",
        f"--array=0-{count - 1}{most}",
        f"--output={folder}/%a.log",
    ]
    return "\n".join(
        (
            "#!/bin/bash",
            *(f"#SBATCH {line}" for line in lines),
            f'run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {shlex.quote(str(folder / "runs.txt"))})',
            'exec bash "$run/job.sh" >> "$run/slurm.log" 2>&1',
            "",
        )
    )
