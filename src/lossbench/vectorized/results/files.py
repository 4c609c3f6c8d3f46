"""The files of runs that were trained in a stack: the same as those of single runs."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lossbench.config.schema import RunConfig
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_bytes
from lossbench.rundir.flatten import flatten
from lossbench.rundir.history import COLUMNS, lines
from lossbench.rundir.last_and_best import FITTED, Row, of_rows
from lossbench.rundir.result import Result, Training
from lossbench.training.checkpoints import make_folder
from lossbench.training.evaluation import Evaluation, measured
from lossbench.vectorized.results.forms import Checkpoints, Predictions
from lossbench.vectorized.results.measured import Found
from lossbench.vectorized.results.tensorboard import scalar_records, write_tensorboard
from lossbench.vectorized.train import StackedRuns


class RunHistory(NamedTuple):
    """The history of one run, as its files have it.

    Args:
        lines: of metrics.csv.
        rows: of what its result says of it, by name.
        records: of TensorBoard, empty without that logger.
    """

    lines: str
    rows: Mapping[str, list[Row]]
    records: bytes


class RunFiles:
    """Write the files of the runs of a stack that is trained; what they have in common is made once.

    Args:
        stacked: the stack.
        seconds: that each run has taken.
        made_with: versions and git state.
        tensorboard: whether to write TensorBoard's records.
    """

    def __init__(
        self, stacked: StackedRuns, seconds: float, made_with: Mapping[str, Any], *, tensorboard: bool
    ) -> None:
        self.stacked, self.made_with, self.tensorboard = stacked, made_with, tensorboard
        self.checkpoints, self.predictions = Checkpoints(seconds), Predictions()
        self.seconds = seconds

    def histories(self) -> Iterator[RunHistory]:
        """The history of each run."""
        stacked = self.stacked
        names = {stacked.configs[0].monitor, *FITTED}
        for block in stacked.rows.blocks([stacked.epochs_of(k) for k in range(len(stacked.configs))]):
            steps, count = stacked.steps_of(block.runs[0]), len(block.values)
            records = scalar_records(block, steps) if self.tensorboard else [b""] * count
            yield from map(RunHistory, block.csv(), block.rows_of(names), records)

    def write(
        self,
        run: RunDirectory,
        k: int,
        history: RunHistory,
        evaluations: Mapping[str, Evaluation],
        found: Found,
        status: Mapping[str, Any],
    ) -> Result:
        """Write the files of the k-th run, all but result.json.

        Args:
            run: its directory.
            k: its place in the stack.
            history: its rows.
            evaluations: outputs of the tested weights on val and test.
            found: what is measured of them.
            status: what its status.json holds.

        Returns:
            Its result.
        """
        replicate, training = self.stacked.replicates[k], self._training(k)
        said = [f"{training.steps} steps in a stack of {training.stacked_runs} runs", replicate.left_out]
        log = "".join(f"{line}\n" for line in said if line)
        trained_bytes = self._write_history(run, k, history, found)
        self._write_checkpoints(run, k, trained_bytes)
        write_bytes(run.log_path, log.encode())
        content, saved = self.predictions.content(replicate.data, evaluations, run.config.save_predictions)
        if content is not None:
            write_bytes(run.predictions_path, content)
        class_names = self.stacked.parts.source.class_names
        values = measured(found.metrics, evaluations, found.scale, saved, class_names)
        facts = {**replicate.record, **self.stacked.how, **self._of_history(run.config, k, history, found)}
        return Result.of(run.config, status, training, values, facts, self.made_with)

    def _training(self, k: int) -> Training:
        stacked = self.stacked
        steps = stacked.steps_of(k)
        return Training(
            engine="vectorized",
            device=str(stacked.device),
            steps=steps,
            epochs=stacked.epochs_of(k),
            seconds=self.seconds,
            resumed_at=min(stacked.resumed_at, steps),
            weights_sha256=stacked.parts.weights_sha256,
            stacked_runs=len(stacked.configs),
        )

    def _of_history(self, config: RunConfig, k: int, history: RunHistory, found: Found) -> dict[str, Any]:
        """How far apart the last epoch and the best by validation are, and how well wrong labels are fitted."""
        name = f"test/{config.monitor.removeprefix('val/')}"
        if found.beside is None or name not in found.metrics:
            return of_rows(history.rows, config.monitor, {})
        other = "best" if config.evaluate == "last" else "last"
        tested = {config.evaluate: found.metrics[name].value, other: found.metrics[name].value}
        if int(self.stacked.best.step[k]) != self.stacked.steps_of(k):
            tested[other] = found.beside
        return of_rows(history.rows, config.monitor, tested)

    def _write_history(self, run: RunDirectory, k: int, history: RunHistory, found: Found) -> int:
        """Write metrics.csv and TensorBoard's records; give the length of metrics.csv before the test."""
        step, epoch = self.stacked.steps_of(k), self.stacked.epochs_of(k)
        tested = {name: metric.value for name, metric in found.metrics.items() if name.startswith("test/")}
        trained = COLUMNS.encode() + history.lines.encode()
        write_bytes(run.metrics_path, trained + lines(step, epoch, tested).encode())
        if self.tensorboard:
            params = flatten(run.config.record)
            write_tensorboard(run.path / "tensorboard", params, history.records, step, epoch, tested)
        return len(trained)

    def _write_checkpoints(self, run: RunDirectory, k: int, history_bytes: int) -> None:
        """Write last.ckpt and best.ckpt, as far as the run keeps them."""
        stacked, steps = self.stacked, self.stacked.steps_of(k)
        kept = {"last": (stacked.last_at, steps), "best": (stacked.best.at, int(stacked.best.step[k]))}
        make_folder(run.checkpoint("last").parent)
        contents: dict[int, bytearray] = {}  # one where the last is the best
        for name, (weights, step) in kept.items():
            if run.config.keep_checkpoints in ("all", name):
                epoch = -(-step // stacked.parts.steps_per_epoch) - 1
                if step not in contents:
                    stops = step == run.config.trainer.max_steps or stacked.has_stopped(k, step)
                    contents[step] = self.checkpoints.content(
                        weights(k), step, epoch, history_bytes=history_bytes, should_stop=stops
                    )
                write_bytes(run.checkpoint(name), contents[step])


def has_tensorboard(config: RunConfig) -> bool:
    """Whether a run has TensorBoard's logger."""
    return "tensorboard" in config.logger
