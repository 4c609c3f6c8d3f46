"""What a run asks a cluster for. Torch-free."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lossbench.config.schema import Trainer
from lossbench.errors import UserError

TIME = r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}"  # minutes, minutes:seconds, hours:minutes:seconds, days-hours...


@dataclass(frozen=True)
class Resources:
    """What a run asks a cluster for, besides what follows from the run itself (nodes, tasks, GPUs).

    Args:
        partition: None is the cluster's default.
        account: None is the user's default.
        qos: None is the user's default.
        time: limit in SLURM's notation, e.g. 04:00:00; a run that reaches it is saved and queued again.
        memory_gb: of a node, GB; None is the cluster's default.
        cpus: for each task (process).
        gpus: for each node; None is trainer.devices where trainer.accelerator is gpu, otherwise 0.
        constraint: features that nodes must have.
        parallel: most runs of one array at a time; None is as many as SLURM lets run.
        signal_seconds: between the signal on which a run saves and the time limit.
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
        _check_count("cpus", self.cpus, least=1)
        _check_count("gpus", self.gpus, least=0, optional=True)
        _check_count("parallel", self.parallel, least=1, optional=True)
        _check_count("signal_seconds", self.signal_seconds, least=1)
        _check_memory(self.memory_gb)
        if not re.fullmatch(TIME, str(self.time)):
            raise _wrong("time", "a limit such as 04:00:00, 90 (minutes) or 2-12 (days-hours)", self.time)
        for name in ("partition", "account", "qos", "constraint"):
            _check_word(name, getattr(self, name))
        for name in ("sbatch", "setup"):
            _check_lines(name, getattr(self, name))
        if not all(option.startswith("-") for option in self.sbatch):
            raise _wrong("sbatch", "a list of options such as [--exclusive]", list(self.sbatch))

    def options(self, trainer: Trainer) -> list[str]:
        """Give sbatch's options for a run with these trainer settings."""
        gpus = self.gpus if self.gpus is not None else trainer.devices * (trainer.accelerator == "gpu")
        options = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.time,
            "mem": None if self.memory_gb is None else f"{1000 * self.memory_gb:.0f}M",
            "nodes": trainer.num_nodes,
            "ntasks-per-node": trainer.devices,
            "cpus-per-task": self.cpus,
            "gres": f"gpu:{gpus}" if gpus else None,
            "constraint": self.constraint,
            "signal": f"USR1@{self.signal_seconds}",
        }
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return [*given, "--requeue", "--open-mode=append", f"--chdir={Path.cwd()}", *self.sbatch]


def _check_count(name: str, value: object, least: int, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(name, f"a whole number >= {least}{' or null' if optional else ''}", value)


def _check_memory(value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and value > 0):  # pyright: ignore[reportOperatorIssue]
        raise _wrong("memory_gb", "a number > 0 or null", value)


def _check_word(name: str, value: object) -> None:
    is_word = isinstance(value, str) and bool(value) and not re.search(r"[\s#]", value)
    if value is not None and not is_word:
        raise _wrong(name, "one word or null", value)


def _check_lines(name: str, value: object) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(name, "a list of lines", value)
    if not all(isinstance(line, str) and "\n" not in line for line in value):
        raise _wrong(name, "a list of lines", value)


def _wrong(name: str, allowed: str, found: object) -> UserError:
    return UserError(f"hydra.launcher.{name} must be {allowed}, got {found!r}")
