"""What SLURM prints when it refuses a job, in terms of lossbench's settings; sinfo is a stand-in."""

from dataclasses import replace
from typing import Any

import pytest
from records import config_with

from lossbench.launch.slurm import refusal
from lossbench.launch.slurm.refusal import explained
from lossbench.launch.slurm.resources import Resources

NODES = [
    "short*|7900|4|(null)|(null)|1:00:00",
    "short*|15800|16|(null)|(null)|1:00:00",
    "gpu|256000|64|gpu:a100:4|a100,nvme|7-00:00:00",
]
NO_NODE = "Batch job submission failed: Requested node configuration is not available"
TRAINER = config_with(("trainer.accelerator", "auto")).trainer


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "sinfo", lambda fields: NODES)


@pytest.mark.parametrize(
    ("printed", "asked", "says"),
    [
        (
            f"Memory specification can not be satisfied {NO_NODE}",
            {},
            "hydra.launcher.memory_gb=16 is more than a node can give: the largest of partition short has 15.8 GB; "
            "write hydra.launcher.memory_gb=15.8 or less, or null for the cluster's default (Memory specification can "
            "not be satisfied)",
        ),
        (
            f"CPU count per node can not be satisfied {NO_NODE}",
            {"cpus": 9},
            "hydra.launcher.cpus=9 for each of trainer.devices=2 processes of a node is 18 CPUs: the largest of "
            "partition short has 16; write hydra.launcher.cpus=8 (",
        ),
        (
            "Invalid generic resource (gres) specification",
            {"gpus": 8, "partition": "gpu"},
            "hydra.launcher.gpus=8 GPUs cannot be had: nodes of partition gpu have gpu:a100:4;",
        ),
        (
            "Invalid generic resource (gres) specification",
            {},
            "trainer.devices=2 GPUs cannot be had: nodes of partition "
            "short have no GPUs; choose another hydra.launcher.partition or number, or trainer=cpu",
        ),
        (
            "invalid partition specified: gpus Batch job submission failed: Invalid partition name specified",
            {"partition": "gpus"},
            "hydra.launcher.partition=gpus does not exist; did you mean gpu? Available: gpu, short",
        ),
        (
            "Batch job submission failed: Invalid feature specification",
            {"partition": "gpu", "constraint": "a10"},
            "hydra.launcher.constraint=a10 fits no node of partition gpu; did you mean a100? Available: a100, nvme",
        ),
        (
            "PartitionTimeLimit",
            {},
            "hydra.launcher.time=04:00:00 is more than partition short allows (1:00:00); write at",
        ),
        ("PartitionNodeLimit", {}, "trainer.num_nodes=1 is more than partition short allows (2 nodes)"),
        (
            "Batch job submission failed: Invalid qos specification",
            {"qos": "fast"},
            "hydra.launcher: account=None, qos=",
        ),
        (
            "unrecognized option '--exclusiv'",
            {"sbatch": ["--exclusiv"]},
            "hydra.launcher.sbatch=['--exclusiv'] holds an",
        ),
        (
            NO_NODE,
            {"partition": "gpu"},
            "no node of partition gpu fits all of hydra.launcher: time=04:00:00, memory_gb=16, cpus=4, gpus=",
        ),
        (
            "the cat is on the cable",
            {},
            "the cat is on the cable; change hydra.launcher's settings",
        ),
    ],
)
def test_a_refusal_names_the_setting_its_value_and_what_the_cluster_has(
    printed: str, asked: dict[str, Any], says: str
) -> None:
    assert explained(printed, Resources(**asked), replace(TRAINER, devices=2)).startswith(says)


def test_a_cluster_without_an_answer_still_gives_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "sinfo", lambda fields: [])
    for printed in ("Memory specification can not be satisfied", "CPU count per node can not be satisfied", NO_NODE):
        assert "hydra.launcher" in explained(printed, Resources(), TRAINER)
