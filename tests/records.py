"""A whole configuration in plain containers, as config.yaml holds it, and copies of it with other values."""

from copy import deepcopy
from typing import Any

from lossbench.config.schema import RunConfig
from lossbench.rundir.result import Result

RECORD: dict[str, Any] = {
    "seed": 3,
    "study": "mine",
    "evaluate": "last",
    "monitor": "val/accuracy",
    "keep_checkpoints": "all",
    "save_predictions": "auto",
    "progress_bar": "auto",
    "figures": "auto",
    "log_every_n_steps": 10,
    "data": {"name": "toy", "_target_": "lossbench.data.toy.Toy", "batch_size": 4},
    "model": {"name": "linear", "_target_": "x.Linear"},
    "loss": {"name": "cosine_prob", "_target_": "lossbench.losses.CosineProb", "alpha": 0.9, "beta": 1.0},
    "optimizer": {"name": "sgd", "_target_": "torch.optim.SGD", "lr": 0.1},
    "scheduler": {"name": "constant", "_target_": "lossbench.training.schedules.Constant"},
    "yardsticks": {"cross_entropy": {"_target_": "lossbench.losses.CrossEntropy", "label_smoothing": 0.0}},
    "checkpoint": {"every_n_epochs": 1, "every_n_steps": None},
    "callbacks": {},
    "logger": {},
    "profiler": None,
    "augment": {},
    "loss_lr": None,
    "head": None,
    "weights": None,
    "fingerprint": "0123456789abcdef",
    "trainer": {
        "accelerator": "cpu",
        "devices": 1,
        "num_nodes": 1,
        "strategy": "auto",
        "precision": "32-true",
        "max_epochs": 10,
        "max_steps": -1,
        "gradient_clip_val": None,
        "accumulate_grad_batches": 1,
        "sync_batchnorm": False,
        "channels_last": False,
        "compile": False,
        "deterministic": False,
        "threads": "auto",
    },
}

RESULT = Result(
    seed=3, loss="cosine_prob", hash="0" * 64, metrics={"test/accuracy": 1.0}, n={"val": 4, "test": 4}, params={},
    fingerprint="0123456789abcdef", classes=["a"], scale=1.0,
)  # fmt: skip
NAMED = ("callbacks", "logger", "yardsticks")  # hold nodes by name


def record_with(*changes: tuple[str, object]) -> dict[str, Any]:
    """The record with values at dotted paths; missing nodes on the way are made."""
    record = deepcopy(RECORD)
    for path, value in changes:
        *parents, last = path.split(".")
        node = record
        for parent in parents:
            if not node.get(parent):
                node[parent] = {} if parent in NAMED else {"_target_": "x.Made"}
            node = node[parent]
        node[last] = deepcopy(value)
    return record


def config_with(*changes: tuple[str, object]) -> RunConfig:
    """The same, parsed."""
    return RunConfig.of(record_with(*changes))
