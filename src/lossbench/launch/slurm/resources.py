"""What a run asks a cluster for. Torch-free."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from lossbench.config.sections import Trainer
from lossbench.launch.slurm.rules import check_count, check_lines, check_memory, check_options, check_time, check_word


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
        sbatch: further options as a shell reads them, e.g. ["--exclusive", "--comment='one of many'"].
        setup: shell lines before the run, run as they are, e.g. ["module load cuda"].
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
        check_count("cpus", self.cpus, least=1)
        check_count("gpus", self.gpus, least=0, optional=True)
        check_count("parallel", self.parallel, least=1, optional=True)
        check_count("signal_seconds", self.signal_seconds, least=1)
        check_memory(self.memory_gb)
        check_time(self.time, self.signal_seconds)
        for name in ("partition", "account", "qos", "constraint"):
            check_word(name, getattr(self, name))
        for name in ("sbatch", "setup"):
            check_lines(name, getattr(self, name))
        check_options(self.sbatch)

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
        return [*given, "--requeue", "--open-mode=append", *shlex.split(" ".join(self.sbatch))]
