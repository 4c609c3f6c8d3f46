"""The files of a run that was trained in a stack: the same as those of a single run."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossbench.config.schema import RunConfig
from lossbench.metrics.estimates import Metric
from lossbench.metrics.scale import fit_scale
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_atomic
from lossbench.rundir.flatten import flatten
from lossbench.rundir.history import COLUMNS
from lossbench.rundir.result import Measured, Result, Training
from lossbench.training.assemble import Parts
from lossbench.training.evaluation import Evaluation, measure, with_intervals
from lossbench.training.predictions import save_predictions
from lossbench.vectorized.tensorboard import scalar_records, write_board
from lossbench.vectorized.train import StackedRuns


class RunHistory(NamedTuple):
    """The history of one run, as its files have it.

    Args:
        lines: of metrics.csv.
        records: of TensorBoard, empty where it is not asked for.
    """

    lines: str
    records: bytes


def histories(stacked: StackedRuns) -> Iterator[RunHistory]:
    """The history of each run of a stack."""
    for history in stacked.rows.histories():
        runs = history.runs[1] - history.runs[0]
        records = scalar_records(history, stacked.stack.step) if _has_board(stacked.configs[0]) else [b""] * runs
        yield from map(RunHistory, history.csv(), records)


def _has_board(config: RunConfig) -> bool:
    return "tensorboard" in config.logger


def write_run(
    run: RunDirectory,
    k: int,
    stacked: StackedRuns,
    told: RunHistory,
    evaluations: Mapping[str, Evaluation],
    made_with: Mapping[str, Any],
    seconds: float,
) -> Result:
    """Write the files of the k-th run of a stack that is trained, all but result.json.

    Args:
        run: its directory.
        k: its place in the stack.
        stacked: the stack.
        told: its history.
        evaluations: outputs of the tested weights on val and test.
        made_with: versions and git state.
        seconds: its share of the time.

    Returns:
        What result.json is to hold.
    """
    parts, config = stacked.parts, run.config
    loss, steps = stacked.members[k].loss.cpu(), stacked.stack.step
    scale = fit_scale(loss.logits(evaluations["val"].output), evaluations["val"].target)  # pyright: ignore[reportCallIssue] - a loss
    metrics: dict[str, Metric] = {}
    for stage, evaluation in evaluations.items():
        measured = measure(loss, parts.yardsticks, evaluation, scale)  # pyright: ignore[reportArgumentType] - a loss
        metrics |= {f"{stage}/{name}": metric for name, metric in with_intervals(measured).items()}
    tested = {name: metric.value for name, metric in metrics.items() if name.startswith("test/")}
    before, after = (
        told.lines.encode(),
        "".join(f"{steps},{stacked.epoch},{name},{value!r}\n" for name, value in tested.items()).encode(),
    )
    write_atomic(run.metrics_path, lambda file: file.write(COLUMNS.encode() + before + after))
    _checkpoints(run, k, stacked, len(COLUMNS) + len(before))
    if _has_board(config):
        write_board(run.path / "tensorboard", flatten(config.record), told.records, steps, stacked.epoch, tested)
    write_atomic(
        run.log_path, lambda file: file.write(f"{steps} steps in a stack of {len(stacked.stack)} runs\n".encode())
    )
    training = Training(
        engine="vectorized",
        device=str(stacked.device),
        steps=steps,
        epochs=stacked.epoch,
        seconds=seconds,
        resumed_at=stacked.resumed_at,
        weights_sha256=parts.weights_sha256,
        stacked_runs=len(stacked.stack),
    )
    measured = Measured(
        metrics={name: (metric.value, metric.half_width) for name, metric in metrics.items()},
        n={stage: len(evaluation.target) for stage, evaluation in evaluations.items()},
        scale=scale,
        predictions=save_predictions(run, parts.data, evaluations, config.save_predictions),
        classes=list(parts.source.class_names),
    )
    return Result.of(config, run.status, training, measured, parts.source.facts(), made_with)


def _checkpoints(run: RunDirectory, k: int, stacked: StackedRuns, history_bytes: int) -> None:
    """last.ckpt and best.ckpt: what loads a run, or reports a finished one, needs of them."""
    keep, steps, best_step = run.config.keep_checkpoints, stacked.stack.step, int(stacked.best_step[k])
    folder = run.checkpoint("last").parent
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    last = _checkpoint(stacked.stack.weights(k), steps, stacked.parts, history_bytes)
    if keep in ("all", "last"):
        write_atomic(run.checkpoint("last"), lambda file: file.write(last))
    if keep in ("all", "best"):
        best = (
            last
            if best_step == steps
            else _checkpoint(stacked.weights_at_best(k), best_step, stacked.parts, history_bytes)
        )
        write_atomic(run.checkpoint("best"), lambda file: file.write(best))


def _checkpoint(state: Mapping[str, Tensor], step: int, parts: Parts, history_bytes: int) -> bytes:
    buffer = BytesIO()
    checkpoint = {
        "state_dict": {f"model.{key}": tensor.cpu() for key, tensor in state.items()},
        "global_step": step,
        "epoch": -(-step // parts.steps_per_epoch) - 1,
        "should_stop": False,
        "is_best": False,
        "history_bytes": history_bytes,
    }
    torch.save(checkpoint, buffer)
    return buffer.getvalue()
