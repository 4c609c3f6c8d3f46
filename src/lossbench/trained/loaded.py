"""A finished run back in Python: model, configuration, predictions, and evaluation again on the same or other data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lossbench.config.verify import verify
from lossbench.data.module import UNTESTED, DataModule
from lossbench.data.source import OF_CLASSES, ONE_CLASS, SPLITS
from lossbench.errors import UserError, some, suggest
from lossbench.metrics.estimates import Metric
from lossbench.models.probe import Probe
from lossbench.rundir.arrays import open_arrays, require_stages
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.finished import finished
from lossbench.rundir.result import Result
from lossbench.trained.adjusted import adjusted_metrics
from lossbench.trained.label_matrix import estimated_matrix
from lossbench.trained.new_inputs import predict, probabilities
from lossbench.trained.predicted import Prediction
from lossbench.trained.predictor import Predictor, predictor_of, require_classifier
from lossbench.trained.restore import checkpoint_path, from_checkpoint, load_weights
from lossbench.training.assemble import Parts, assemble
from lossbench.training.checkpoints import ANEW
from lossbench.training.evaluation import Evaluation, measure, with_intervals
from lossbench.training.features.source import FeatureSource, features_of

IN_ORDER = "one of them has classes in order (data.ordered): say the same of the other, or leave it out"


@dataclass(frozen=True)
class LoadedRun:
    """A run whose model has its trained weights and is in evaluation mode.

    Args:
        directory: where it lies.
        parts: model, loss, yardsticks and data.
    """

    directory: RunDirectory
    parts: Parts

    @cached_property
    def model(self) -> nn.Module:
        """The trained model: inputs (batch, ...), of a linear probe normalised images too, to logits (batch, C)."""
        backbone, head = self.parts.backbone, self.parts.model
        dtype = self.directory.config.features.dtype
        return head if backbone is None else Probe(backbone, head, dtype).eval()

    @property
    def head(self) -> nn.Module:
        """What was trained: of a linear probe the layer from features (batch, D) to logits, otherwise the model."""
        return self.parts.model

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.directory.record

    @property
    def result(self) -> Result | None:
        """What result.json holds; None while the run is not done."""
        return self.directory.result()

    @cached_property
    def predictions(self) -> Mapping[str, np.ndarray]:
        """The saved arrays: <split>_outputs, <split>_targets and <split>_ids for val and test; of a trial for val.

        Raises:
            UserError: the run saved none, or the file is damaged.
        """
        path = self.directory.predictions_path
        if not path.exists():
            raise UserError(
                f"{path} does not exist: the run is not done, or save_predictions kept it from being written"
            )
        with open_arrays(path, ANEW) as arrays:
            require_stages(arrays, *self.directory.config.stages)
            return dict(arrays)

    def evaluate(
        self, split: str = "test", data: DataModule | None = None, *, adjust: float | None = None
    ) -> dict[str, Metric]:
        """Measure the model again.

        Args:
            split: train, val or test.
            data: other data with the same shape and classes; None is the run's own.
            adjust: tau >= 0 of the logits' adjustment for the classes' frequencies in training (`adjusted_metrics`);
                None leaves them as they are.

        Returns:
            name -> value with the half-width of its 95 % interval; logits are scaled as when the run was tested.

        Raises:
            UserError: there is no such split, or the data do not fit the model; or other examples than those that a
                trial was trained and validated on, since the test examples of its replicate may be among them.
        """
        evaluation, task = self._outputs(split, data)
        scale = self.result.scale if self.result else None
        if adjust is not None:
            return adjusted_metrics(self.parts, evaluation, adjust, scale)
        measured_with = self.parts.loss, self.parts.yardsticks
        return with_intervals(measure(*measured_with, evaluation, scale, task, self.parts.train_counts))

    def label_matrix(self, split: str = "val", quantile: float = 1.0) -> np.ndarray:
        """Estimate how labels become wrong, for `loss.matrix` of a further run (`estimated_matrix`).

        Args:
            split: whose examples are looked at, train or val; their labels are not used.
            quantile: within (0, 1]; of the probabilities of a class, 1 is the largest.

        Returns:
            (C, C) float64, a row for each true class and a column for each given label; each row adds up to 1.

        Raises:
            UserError: there is no such split, the quantile is not allowed, or the run is not done or does not classify.
        """
        scale = finished(self.directory).scale
        evaluation, _ = self._outputs(split, None)
        return estimated_matrix(self.parts, evaluation, quantile, scale)

    def _outputs(self, split: str, data: DataModule | None) -> tuple[Evaluation, str]:
        """The outputs on a split and its targets, and the task of the data."""
        if split not in SPLITS:
            raise UserError(f"split={split} does not exist; {suggest(split, SPLITS)}")
        self._require_own_examples(split, data)
        data = self.parts.data if data is None else self.encoded(data)
        if self.parts.backbone is not None and not isinstance(data.source, FeatureSource):
            config = self.directory.config
            settings = replace(config.features, views=1)  # evaluation sees centre crops
            features = features_of(self.parts.backbone, data, config.trainer.accelerator, settings)
            data = DataModule(features, data.seed, data.batch_size)
        self._require_fit(data)
        outputs = []
        with torch.inference_mode():
            for batch in data.evaluation_loader(split):
                output = self.head(data.device_transforms(batch, split).inputs)
                outputs.append(output if isinstance(output, tuple) else (output,))
        columns = [torch.cat(column) for column in zip(*outputs, strict=True)]
        whole = type(output)(*columns) if isinstance(output, tuple) else columns[0]  # pyright: ignore[reportPossiblyUnboundVariable] - a split has examples
        return Evaluation(whole, torch.from_numpy(data.split(split).targets)), data.source.task

    def predict(self, inputs: Any, *, top: int | None = None) -> list[Prediction]:
        """Classify new examples; run.predict(["photo.jpg"])[0].classes.

        Args:
            inputs: of a run on images paths, or uint8 pixels (height, width, 3) of each image; of a run on a table a
                file or a frame of polars or pandas; otherwise an array (n, ...) of examples as the model takes them.
            top: how many classes to name for each, >= 1; None names the best one, or all labels above 0.5.

        Returns:
            A prediction for each example: name, classes and probabilities (the best first), or the reason why it
            cannot be read.

        Raises:
            UserError: the run is not done or does not classify, or the inputs are none that it takes.
        """
        return predict(self._predictor, inputs, top=top)

    def probabilities(self, inputs: Any) -> np.ndarray:
        """Give the probabilities of all classes, float32 (n, C): softmax(scale * logits); see `predict`.

        Raises:
            UserError: as `predict`, or an image cannot be read.
        """
        found = list(probabilities(self._predictor, inputs))
        for name, row in found:
            if isinstance(row, str):
                raise UserError(f"{name} cannot be read: {row}")
        return np.array([row for _, row in found], dtype=np.float32).reshape(len(found), -1)

    @cached_property
    def _predictor(self) -> Predictor:
        source, result = self.parts.source, finished(self.directory)
        require_classifier(self.directory, source)
        return predictor_of(self.directory, result, source, self.model, self.parts.loss)

    def encoded(self, data: DataModule) -> DataModule:
        """Give other data as the model sees them: the columns of a table encoded as in the run's training."""
        source = data.source.fitted_like(self.parts.source)
        return data if source is data.source else DataModule(source, data.seed, data.batch_size)

    def _require_own_examples(self, split: str, data: DataModule | None) -> None:
        if split not in self.parts.data.stages:
            raise UserError(f"{self.directory.path}: {UNTESTED}")
        if data is not None and self.directory.config.trial:
            raise UserError(
                f"{self.directory.path} is a trial: it is measured on its own train and val splits alone, since other "
                "data may hold its replicate's test examples; leave data= and replicate= out"
            )

    def _require_fit(self, data: DataModule) -> None:
        ours, theirs = self.parts.data.source, data.source
        what = "classes" if ours.task in OF_CLASSES else "outputs"
        if (ours.task, ours.members) != (theirs.task, theirs.members):
            raise UserError(
                f"the model was trained for {ours.task}, and these data are for {theirs.task}; "
                f"{IN_ORDER if {ours.task, theirs.task} == {*ONE_CLASS} else 'choose data of the same task'}"
            )
        if (ours.input_shape, ours.num_outputs) != (theirs.input_shape, theirs.num_outputs):
            raise UserError(
                f"the model takes inputs {ours.input_shape} and {ours.num_outputs} {what}, "
                f"the data have {theirs.input_shape} and {theirs.num_outputs}; choose data of the same shape and {what}"
            )
        names, others = tuple(ours.class_names), tuple(theirs.class_names)
        moved = {*names} & {name for name, other in zip(names, others, strict=False) if name != other} & {*others}
        if moved:
            raise UserError(
                f"the classes of these data have another order than the model's: {some(others)} and {some(names)}; "
                "name them in the model's order"
            )


def load(run_dir: str | PathLike[str], checkpoint: str | None = None) -> LoadedRun:
    """Load a run: run = lossbench.load("runs/..."); run.model(inputs).

    Args:
        run_dir: the run's directory.
        checkpoint: "last" or "best"; None takes the weights that were tested.

    Returns:
        The run with its trained model.

    Raises:
        UserError: the directory, its configuration or the checkpoint is missing, edited or unsafe.
    """
    run = RunDirectory(Path(run_dir))
    verify(run)
    path = checkpoint_path(run, checkpoint)
    centre = replace(run.config.features, views=1)  # what is trained no more needs no random crops
    parts = assemble(replace(run.config, model=from_checkpoint(run.config.model), features=centre))
    load_weights(parts.model, parts.loss, path)
    return LoadedRun(run, parts)
