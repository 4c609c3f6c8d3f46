"""Run directories as train.py leaves them, without training: a test gives what matters to it, the rest is usual."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.report.compare import compare_arms
from lossbench.report.comparison import Comparison
from lossbench.report.findings import Findings, find
from lossbench.report.records import Record, find_runs, read_record, split_done
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.identity import RESULT_VERSION

FINGERPRINT = "45f04c9bac38c3d4"
N = 359  # examples of each split
STEPS = 480
PARAMS: dict[str, Any] = {
    "seed": 0,
    "study": "made",
    "yardsticks.cross_entropy.name": "cross_entropy",
    "yardsticks.cross_entropy._target_": "lossbench.losses.CrossEntropy",
    "yardsticks.cross_entropy.label_smoothing": 0.0,
    "evaluate": "last",
    "monitor": "val/accuracy",
    "head": None,
    "keep_checkpoints": "all",
    "log_every_n_steps": 10,
    "data.batch_size": 64,
    "data.num_workers": 0,
    "data.name": "digits",
    "data._target_": "lossbench.data.digits.Digits",
    "data.split_seed": 0,
    "trainer.devices": 1,
    "trainer.precision": "32-true",
    "trainer.max_epochs": 30,
    "trainer.max_steps": -1,
    "trainer.gradient_clip_val": None,
    "trainer.deterministic": False,
    "augment": {},
    "model.name": "mlp",
    "model._target_": "lossbench.models.mlp.MLP",
    "model.hidden": [128],
    "model.dropout": 0.0,
    "optimizer.name": "adam",
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 0.003,
    "optimizer.betas": [0.9, 0.999],
    "scheduler.name": "constant",
    "scheduler._target_": "lossbench.training.schedules.Constant",
    "logger.tensorboard._target_": "pytorch_lightning.loggers.TensorBoardLogger",
    "callbacks": {},
    "weights": None,
    "fingerprint": FINGERPRINT,
}


def make_run(
    study: Path,
    loss: str = "cross_entropy",
    seed: int = 0,
    *,
    accuracy: float = 0.9,
    settings: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float | None] | None = None,
    result: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    history: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    right: Sequence[bool] | None = None,
    state: str = "done",
    folder: str | None = None,
    kind: str = "seed",
) -> Path:
    """Write one run directory.

    Args:
        study: folder of the study.
        loss: name of the loss.
        seed: of the run.
        accuracy: on both splits; the other metrics follow from it.
        settings: flat settings that are not the usual ones.
        metrics: metrics that do not follow from the accuracy.
        result: further keys of result.json.
        status: further keys of status.json.
        history: metric -> (step, value) in metrics.csv; None is the usual rise of val/accuracy.
        right: which test examples predictions.npz has right (of fewer than result.json says); None writes no such file.
        state: "done", or what status.json says of a run without a result.
        folder: name of the folder above seed<k>; None is the usual one.
        kind: "replicate" makes `seed` the number of a replicate of five folds.

    Returns:
        The directory.
    """
    params = params_of(loss, seed, study.name, settings)
    if kind == "replicate":
        params |= {"replicate": seed, "data.replicate": seed}
    digest = hash_of(params)
    path = study / (folder or f"{params['data.name']}-{params['model.name']}-{loss}-{digest[:8]}") / f"{kind}{seed}"
    path.mkdir(parents=True)
    write(path / "status.json", {**status_of(params, state), **(status or {})})
    if state != "done":
        return path
    measured = {**metrics_of(accuracy, seed), **(metrics or {})}
    write(path / "result.json", {**result_of(params, measured), **(result or {})})
    write_history(path, history or {"val/accuracy": usual_rise(accuracy)}, measured)
    if right is not None:
        write_predictions(path, right)
    return path


def hash_of(params: Mapping[str, Any]) -> str:
    """Hash the settings but the seed."""
    settings = {key: value for key, value in params.items() if key not in ("seed", "replicate", "data.replicate")}
    settings |= {"replicates": True} if "replicate" in params else {}
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def status_of(params: Mapping[str, Any], state: str) -> dict[str, Any]:
    """Content of status.json; invalid runs have their settings in it."""
    return {
        "status": state,
        "planned": "2026-01-01T08:00:00+00:00",
        "command": ["train.py", f"loss={params['loss.name']}", f"seed={params['seed']}"],
        "host": "vm",
        **({"params": params} if state == "invalid" else {}),
    }


def result_of(params: Mapping[str, Any], measured: Mapping[str, float | None]) -> dict[str, Any]:
    """Content of result.json."""
    seed = params["seed"]
    return {
        "status": "done",
        "seed": seed,
        **({"replicate": seed, "pool": 1797, "folds": 5} if "replicate" in params else {}),
        "loss": params["loss.name"],
        "data": params["data.name"],
        "model": params["model.name"],
        "study": params["study"],
        "hash": hash_of(params),
        "metrics": measured,
        "half_width_95": {name: None if value is None else 0.02 for name, value in measured.items()},
        "n": {"val": N, "test": N},
        "params": params,
        "fingerprint": FINGERPRINT,
        "steps": STEPS,
        "epochs": 30,
        "seconds": 1.2 + seed / 10,
        "peak_memory_mb": 877.4,
        "versions": {"python": "3.11.7", "torch": "2.9.0"},
        "git": {"commit": "842e46bd33dbaa227ddb4b6899e119a1a1df388e", "dirty": False},
        "command": ["train.py", "experiment=digits_losses"],
        "engine": "lightning",
        "device": "cpu",
        "scale": 0.79,
        "predictions": "float32",
        "classes": [str(digit) for digit in range(10)],
        "weights_sha256": None,
    }


def right_of(accuracy: float, n: int = 100) -> list[bool]:
    """Which of n test examples a run of this accuracy has right: the first ones."""
    return [k < round(n * accuracy) for k in range(n)]


def usual_rise(accuracy: float) -> list[tuple[float, float]]:
    """Validation accuracy at three steps."""
    return [(160, accuracy - 0.2), (320, accuracy - 0.1), (480, accuracy)]


def make_arm(study: Path, loss: str, accuracies: Sequence[float], *, first: int = 0, **more: Any) -> list[Path]:
    """Write the runs of one setting: seeds first, first + 1, ..., with these accuracies."""
    return [make_run(study, loss, seed, accuracy=accuracy, **more) for seed, accuracy in enumerate(accuracies, first)]


def params_of(loss: str, seed: int, study: str, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give the flat configuration of a run."""
    target = "".join(word.capitalize() for word in loss.split("_"))
    own = {
        "result_version": RESULT_VERSION,
        "seed": seed,
        "study": study,
        "loss.name": loss,
        "loss._target_": f"lossbench.losses.{target}",
    }
    params = {**PARAMS, **own, **(settings or {})}
    return {
        name: value
        for name, value in params.items()
        if value != {} or not any(key.startswith(f"{name}.") for key in params)
    }


def metrics_of(accuracy: float, seed: int) -> dict[str, float | None]:
    """Usual metrics of both splits; the loss differs between seeds, so that the runs are not frozen."""
    one = {
        "loss": 1 - accuracy + 0.001 * seed,
        "accuracy": accuracy,
        "error_rate": 1 - accuracy,
        "balanced_accuracy": accuracy,
        "nll": 2 * (1 - accuracy),
        "brier": 1 - accuracy,
        "ece": 0.5 * (1 - accuracy),
        "nll_scaled": 1.8 * (1 - accuracy),
        "ece_scaled": 0.25 * (1 - accuracy),
    }
    return {f"{split}/{name}": value for split in ("val", "test") for name, value in one.items()}


def write_history(
    path: Path, history: Mapping[str, Sequence[tuple[float, float]]], measured: Mapping[str, float | None]
) -> None:
    """Write metrics.csv."""
    rows = ["step,epoch,name,value", "0,0,train/loss,2.3025850929940455", "0,0,train/learning_rate,0.003"]
    rows += [f"{step},{int(step) // 16},{name},{value!r}" for name, points in history.items() for step, value in points]
    rows += [f"{STEPS},30,{name},{value!r}" for name, value in measured.items() if name.startswith("test/")]
    (path / "metrics.csv").write_text("\n".join(rows) + "\n")


def write_predictions(path: Path, right: Sequence[bool], ids: Sequence[str] | None = None) -> None:
    """Write a predictions.npz of two classes whose test outputs are right or wrong as said."""
    targets = np.arange(len(right)) % 2
    predicted = np.where(right, targets, 1 - targets)
    outputs = np.eye(2, dtype=np.float32)[predicted]
    names = np.array(ids if ids is not None else [f"test/{k}" for k in range(len(right))])
    arrays = {
        f"{split}_{what}": array
        for split in ("val", "test")
        for what, array in zip(("outputs", "targets", "ids"), (outputs, targets, names), strict=True)
    }
    with open(path / "predictions.npz", "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def write(path: Path, value: object) -> None:
    """Write JSON."""
    path.write_text(json.dumps(value, indent=2) + "\n")


def change(path: Path, **parts: Any) -> None:
    """Change some keys of a JSON file."""
    write(path, {**json.loads(path.read_text()), **parts})


def cut_in_half(path: Path) -> None:
    """Leave the first half of a file, as a full disk or a broken copy does."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def read(*folders: Path) -> list[Record]:
    """Read all runs below some folders."""
    return [read_record(path) for path in find_runs(folders)]


def compare_runs(*folders: Path, **spec: Any) -> Comparison:
    """Compare all runs below some folders."""
    done, missing = split_done(read(*folders))
    return compare_arms(done, ComparisonSpec(**spec), missing)


def find_in(*folders: Path, **spec: Any) -> Findings:
    """Compare and measure all runs below some folders."""
    return find(read(*folders), ComparisonSpec(**spec))
