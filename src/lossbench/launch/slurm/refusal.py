"""Why SLURM refuses a job or would never start it, in terms of lossbench's settings and of what its nodes have."""

import re
from collections.abc import Callable
from typing import NamedTuple

from lossbench.config.sections import Trainer
from lossbench.errors import suggest
from lossbench.launch.slurm.queue import sinfo
from lossbench.launch.slurm.resources import Resources


class Node(NamedTuple):
    """A node of a partition, as sinfo lists it."""

    partition: str
    memory_gb: float
    cpus: int
    gres: str
    features: str
    time: str
    is_default: bool


class Asked(NamedTuple):
    """What was asked for, and the nodes where it could run.

    Args:
        resources: of the launcher.
        trainer: of the run.
        nodes: of the partition that was asked for, of the default one, or all.
        where: names that partition.
        partitions: all that there are.
    """

    resources: Resources
    trainer: Trainer
    nodes: list[Node]
    where: str
    partitions: list[str]


def explained(refusal: str, resources: Resources, trainer: Trainer) -> str:
    """Say which setting SLURM means, its value, what the cluster has and what to write.

    Args:
        refusal: what sbatch printed, or the reason with which squeue lists a job.
        resources: what was asked for.
        trainer: the trainer settings of the run.
    """
    for pattern, advice in ADVICE:
        if found := re.search(pattern, refusal, re.IGNORECASE):
            return f"{advice(_asked(resources, trainer))} ({found[0]})"
    return f"{refusal}; change hydra.launcher's settings"


def _asked(resources: Resources, trainer: Trainer) -> Asked:
    nodes = _nodes()
    wanted = [node for node in nodes if node.partition == resources.partition]
    if resources.partition is None:
        wanted = [node for node in nodes if node.is_default]
    where = f"partition {wanted[0].partition}" if wanted else "the cluster"
    partitions = sorted({node.partition for node in nodes})
    return Asked(resources, trainer, wanted or nodes, where, partitions)


def _nodes() -> list[Node]:
    nodes: list[Node] = []
    for line in sinfo("%P|%m|%c|%G|%f|%l"):
        partition, memory, cpus, gres, features, time = line.split("|")
        sizes = int(memory.rstrip("+")) / 1000, int(cpus.rstrip("+"))
        nodes.append(Node(partition.rstrip("*"), *sizes, gres, features, time, partition.endswith("*")))
    return nodes


def _memory(asked: Asked) -> str:
    line = f"hydra.launcher.memory_gb={_number(asked.resources.memory_gb)} is more than a node can give"
    if not asked.nodes:
        return f"{line}: write less, or null for the cluster's default"
    most = int(10 * max(node.memory_gb for node in asked.nodes)) / 10
    line = f"{line}: the largest of {asked.where} has {most:g} GB"
    return f"{line}; write hydra.launcher.memory_gb={most:g} or less, or null for the cluster's default"


def _cpus(asked: Asked) -> str:
    cpus, tasks = asked.resources.cpus, asked.trainer.devices
    line = f"hydra.launcher.cpus={cpus} for each of trainer.devices={tasks} processes of a node is {cpus * tasks} CPUs"
    if not asked.nodes:
        return f"{line}, more than a node has: write less"
    most = max(node.cpus for node in asked.nodes)
    line = f"{line}: the largest of {asked.where} has {most}"
    return f"{line}; write hydra.launcher.cpus={most // tasks}" if most >= tasks else f"{line}; use more nodes"


def _gpus(asked: Asked) -> str:
    key = f"trainer.devices={asked.trainer.devices}"
    if asked.resources.gpus is not None:
        key = f"hydra.launcher.gpus={asked.resources.gpus}"
    have = sorted({node.gres for node in asked.nodes if node.gres != "(null)"})
    what = f"nodes of {asked.where} have {', '.join(have) or 'no GPUs'}"
    return f"{key} GPUs cannot be had: {what}; choose another hydra.launcher.partition or number, or trainer=cpu"


def _partition(asked: Asked) -> str:
    name = asked.resources.partition
    return f"hydra.launcher.partition={name} does not exist; {suggest(str(name), asked.partitions)}"


def _constraint(asked: Asked) -> str:
    features = {word for node in asked.nodes for word in node.features.split(",") if word != "(null)"}
    name = asked.resources.constraint
    return f"hydra.launcher.constraint={name} fits no node of {asked.where}; {suggest(str(name), features)}"


def _time(asked: Asked) -> str:
    line = f"hydra.launcher.time={asked.resources.time} is more than {asked.where} allows"
    limits = ", ".join(sorted({node.time for node in asked.nodes}))
    return f"{line} ({limits or 'see sinfo'}); write at most that: a run that reaches it is saved and queued again"


def _node_count(asked: Asked) -> str:
    line = f"trainer.num_nodes={asked.trainer.num_nodes} is more than {asked.where} allows"
    return f"{line} ({len(asked.nodes)} nodes); take fewer, or another hydra.launcher.partition"


def _account(asked: Asked) -> str:
    found = asked.resources
    settings = f"account={found.account}, qos={found.qos}, partition={found.partition}"
    return f"hydra.launcher: {settings} are not allowed together, or not for you; sacctmgr show associations lists them"


def _options(asked: Asked) -> str:
    return f"hydra.launcher.sbatch={list(asked.resources.sbatch)} holds an option that sbatch does not take"


def _anything(asked: Asked) -> str:
    found = asked.resources
    settings = f"time={found.time}, memory_gb={_number(found.memory_gb)}, cpus={found.cpus}, gpus={found.gpus}"
    run = f"trainer.devices={asked.trainer.devices}, trainer.num_nodes={asked.trainer.num_nodes}"
    limits = ", ".join(sorted({node.time for node in asked.nodes})) or "see sinfo"
    return f"no node of {asked.where} fits all of hydra.launcher: {settings}, with {run}; its time limit is {limits}"


def _number(value: float | None) -> str:
    return "null" if value is None else f"{value:g}"


# What sbatch prints and squeue gives as a reason, in SLURM 20 to 25; the first that fits counts.
ADVICE: tuple[tuple[str, Callable[[Asked], str]], ...] = (
    (r"memory specification can ?not be satisfied|memory required by task is not available|MaxMemPer\w+", _memory),
    (r"CPU count per node can ?not be satisfied|more processors requested than permitted|\w*MaxCpu\w+", _cpus),
    (r"invalid generic resource \(gres\) specification|invalid gres specification", _gpus),
    (r"invalid partition (name )?specified", _partition),
    (r"invalid feature specification|BadConstraints", _constraint),
    (r"requested time limit is invalid|PartitionTimeLimit", _time),
    (r"node count specification invalid|PartitionNodeLimit", _node_count),
    (
        r"invalid account or account/partition[ \w]*|invalid qos specification|job violates accounting/QOS policy",
        _account,
    ),
    (r"AccountNotAllowed|QOSNotAllowed|InvalidAccount|InvalidQOS|AssocMaxJobsLimit", _account),
    (r"unrecognized option '[^']*'|invalid option -- '[^']*'|invalid --[\w-]+ specification", _options),
    (r"requested node configuration is not available|PartitionConfig", _anything),
)
