"""The files of a run that was trained in a stack: the same as those of a single run."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lossbench.config.schema import RunConfig
from lossbench.data.source import ONE_CLASS
from lossbench.metrics.estimates import Metric
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_atomic
from lossbench.rundir.flatten import flatten
from lossbench.rundir.history import COLUMNS, lines
from lossbench.rundir.last_and_best import of_history
from lossbench.rundir.result import Result, Training
from lossbench.training.checkpoints import make_folder, serialised, trained_checkpoint
from lossbench.training.evaluation import Evaluation, fitted_scale, measure, measured, with_intervals
from lossbench.training.predictions import save_predictions
from lossbench.training.rows import split_row
from lossbench.vectorized.shared import Replicate
from lossbench.vectorized.tensorboard import scalar_records, write_tensorboard
from lossbench.vectorized.train import StackedRuns


class RunHistory(NamedTuple):
    """The history of one run, as its files have it.

    Args:
        lines: of metrics.csv.
        records: of TensorBoard, empty without that logger.
    """

    lines: str
    records: bytes


def histories(stacked: StackedRuns) -> Iterator[RunHistory]:
    """The history of each run of a stack."""
    wanted = _has_tensorboard(stacked.configs[0])
    for block in stacked.rows.blocks([stacked.epochs_of(k) for k in range(len(stacked.configs))]):
        steps = stacked.steps_of(block.runs[0])
        records = scalar_records(block, steps) if wanted else [b""] * len(block.values)
        yield from map(RunHistory, block.csv(), records)


def _has_tensorboard(config: RunConfig) -> bool:
    return "tensorboard" in config.logger


def write_run(
    run: RunDirectory,
    k: int,
    stacked: StackedRuns,
    history: RunHistory,
    evaluations: Mapping[str, Evaluation],
    beside: Evaluation | None,
    made_with: Mapping[str, Any],
    seconds: float,
) -> Result:
    """Write the files of the k-th run of a stack that is trained, all but result.json.

    Args:
        run: its directory.
        k: its place in the stack.
        stacked: the stack.
        history: its rows.
        evaluations: outputs of the tested weights on val and test.
        beside: on test, of the weights that were not chosen; None of a trial.
        made_with: versions and git state.
        seconds: its share of the time.

    Returns:
        Its result.
    """
    replicate = stacked.replicates[k]
    said = [f"{stacked.steps_of(k)} steps in a stack of {len(stacked.configs)} runs", replicate.left_out]
    log = "".join(f"{line}\n" for line in said if line)
    metrics, scale = _measure(stacked.members[k].loss.cpu(), replicate, evaluations, stacked.task)
    tested = {name: metric.value for name, metric in metrics.items() if name.startswith("test/")}
    trained_bytes = _write_history(run, k, history, stacked, tested)
    _write_checkpoints(run, k, stacked, trained_bytes, seconds)
    write_atomic(run.log_path, lambda file: file.write(log.encode()))
    saved = save_predictions(run, replicate.data, evaluations, run.config.save_predictions)
    found = measured(metrics, evaluations, scale, saved, stacked.parts.source.class_names)
    facts = {**replicate.record, **_of_history(run.config, k, stacked, history, metrics, scale, beside)}
    return Result.of(run.config, run.status, _training(k, stacked, seconds), found, facts, made_with)


def _of_history(
    config: RunConfig,
    k: int,
    stacked: StackedRuns,
    history: RunHistory,
    metrics: Mapping[str, Metric],
    scale: float | None,
    beside: Evaluation | None,
) -> dict[str, Any]:
    """How far apart the last epoch and the best by validation are, and how well wrong labels are fitted."""
    name = f"test/{config.monitor.removeprefix('val/')}"
    if beside is None or name not in metrics:
        return of_history(history.lines, config.monitor, {})
    other = "best" if config.evaluate == "last" else "last"
    tested = {config.evaluate: metrics[name].value, other: metrics[name].value}
    if int(stacked.best.step[k]) != stacked.steps_of(k):
        shared = stacked.replicates[k]
        loss: Any = stacked.members[k].loss.cpu()
        given: dict[str, Any] = {"task": stacked.task, "train_counts": shared.train_counts}
        found = measure(loss, shared.yardsticks, beside, scale, **given)  # the run's, as one run alone takes it
        tested[other] = found[name.removeprefix("test/")].value.item()
    return of_history(history.lines, config.monitor, tested)


def _measure(
    loss: Any, replicate: Replicate, evaluations: Mapping[str, Evaluation], task: str
) -> tuple[dict[str, Metric], float | None]:
    """The metrics of val and test, and the scale fitted on val; None where examples may have several labels."""
    scale = fitted_scale(loss, evaluations["val"]) if task in ONE_CLASS else None
    metrics: dict[str, Metric] = {}
    for split, evaluation in evaluations.items():
        given: dict[str, Any] = {"task": task, "train_counts": replicate.train_counts}
        metrics |= split_row(split, with_intervals(measure(loss, replicate.yardsticks, evaluation, scale, **given)))
    return metrics, scale


def _write_history(
    run: RunDirectory, k: int, history: RunHistory, stacked: StackedRuns, tested: Mapping[str, float]
) -> int:
    """Write metrics.csv and TensorBoard's records; give the length of metrics.csv before the test."""
    step, epoch = stacked.steps_of(k), stacked.epochs_of(k)
    trained = COLUMNS.encode() + history.lines.encode()
    write_atomic(run.metrics_path, lambda file: file.write(trained + lines(step, epoch, tested).encode()))
    if _has_tensorboard(run.config):
        params = flatten(run.config.record)
        write_tensorboard(run.path / "tensorboard", params, history.records, step, epoch, tested)
    return len(trained)


def _training(k: int, stacked: StackedRuns, seconds: float) -> Training:
    return Training(
        engine="vectorized",
        device=str(stacked.device),
        steps=stacked.steps_of(k),
        epochs=stacked.epochs_of(k),
        seconds=seconds,
        resumed_at=min(stacked.resumed_at, stacked.steps_of(k)),
        weights_sha256=stacked.parts.weights_sha256,
        stacked_runs=len(stacked.configs),
    )


def _write_checkpoints(run: RunDirectory, k: int, stacked: StackedRuns, history_bytes: int, seconds: float) -> None:
    """Write last.ckpt and best.ckpt, as far as the run keeps them."""
    steps, per_epoch = stacked.steps_of(k), stacked.parts.steps_per_epoch
    kept = {"last": (stacked.last_at, steps), "best": (stacked.best.at, int(stacked.best.step[k]))}
    make_folder(run.checkpoint("last").parent)
    contents: dict[int, memoryview] = {}  # one where the last is the best
    for name, (weights, step) in kept.items():
        if run.config.keep_checkpoints in ("all", name):
            epoch = -(-step // per_epoch) - 1
            if step not in contents:
                stops = step == run.config.trainer.max_steps or stacked.has_stopped(k, step)
                ended = trained_checkpoint(
                    weights(k), step, epoch, history_bytes=history_bytes, seconds=seconds, should_stop=stops
                )
                contents[step] = serialised(ended)
            content = contents[step]
            write_atomic(run.checkpoint(name), lambda file, content=content: file.write(content))
