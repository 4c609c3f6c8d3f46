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

from lossbench.config.schema import Model
from lossbench.config.verify import verify
from lossbench.data.module import UNTESTED, DataModule
from lossbench.data.source import OF_CLASSES, SPLITS
from lossbench.errors import UserError, suggest
from lossbench.metrics.estimates import Metric
from lossbench.rundir.arrays import open_arrays, require_stages
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result
from lossbench.training.assemble import Parts, assemble
from lossbench.training.checkpoints import ANEW, give_weights, loss_weights, model_weights, read_weights
from lossbench.training.evaluation import Evaluation, Loss, measure, with_intervals
from lossbench.training.features import FeatureSource, features_of
from lossbench.training.update import own_parameters


@dataclass(frozen=True)
class LoadedRun:
    """A run whose model has its trained weights and is in evaluation mode.

    Args:
        directory: where it lies.
        parts: model, loss, yardsticks and data.
    """

    directory: RunDirectory
    parts: Parts

    @property
    def model(self) -> nn.Module:
        """The trained model: inputs (batch, ...), of a linear probe features (batch, D), to logits (batch, C)."""
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

    def evaluate(self, split: str = "test", data: DataModule | None = None) -> dict[str, Metric]:
        """Measure the model again.

        Args:
            split: train, val or test.
            data: other data with the same shape and classes; None is the run's own.

        Returns:
            name -> value with the half-width of its 95 % interval; logits are scaled as when the run was tested.

        Raises:
            UserError: there is no such split, or the data do not fit the model; or other examples than those that a
                trial was trained and validated on, since the test examples of its replicate may be among them.
        """
        if split not in SPLITS:
            raise UserError(f"split={split} does not exist; {suggest(split, SPLITS)}")
        self._require_own_examples(split, data)
        data = data or self.parts.data
        if self.parts.backbone is not None and not isinstance(data.source, FeatureSource):
            features = features_of(self.parts.backbone, data, self.directory.config.trainer.accelerator)
            data = DataModule(features, data.seed, data.batch_size)
        self._require_fit(data)
        outputs = []
        with torch.inference_mode():
            for batch in data.evaluation_loader(split):
                output = self.model(data.device_transforms(batch, split).inputs)
                outputs.append(output if isinstance(output, tuple) else (output,))
        columns = [torch.cat(column) for column in zip(*outputs, strict=True)]
        whole = type(output)(*columns) if isinstance(output, tuple) else columns[0]  # pyright: ignore[reportPossiblyUnboundVariable] - a split has examples
        scale = self.result.scale if self.result else None
        target = torch.from_numpy(data.split(split).targets)
        evaluation = Evaluation(whole, target)
        return with_intervals(measure(self.parts.loss, self.parts.yardsticks, evaluation, scale, data.source.task))

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
                "choose data of the same task"
            )
        if (ours.input_shape, ours.num_outputs) != (theirs.input_shape, theirs.num_outputs):
            raise UserError(
                f"the model takes inputs {ours.input_shape} and {ours.num_outputs} {what}, "
                f"the data have {theirs.input_shape} and {theirs.num_outputs}; choose data of the same shape and {what}"
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
    parts = assemble(replace(run.config, model=from_checkpoint(run.config.model)))
    load_weights(parts.model, parts.loss, path)
    return LoadedRun(run, parts)


def checkpoint_path(run: RunDirectory, name: str | None) -> Path:
    """Find a checkpoint: last, best, or None for the one that was tested.

    Raises:
        UserError: there is no such name, or the run is a trial that kept none.
    """
    name = name or run.config.evaluate
    if name not in ("last", "best"):
        raise UserError(f"checkpoint={name} does not exist; {suggest(str(name), ('last', 'best'))}")
    path = run.checkpoint(name)
    if run.config.trial and not path.exists():
        raise UserError(
            f"{run.path} is a trial, and trials keep no checkpoint unless keep_checkpoints=last or best is typed; name "
            "a run of the folder that ends in .tuned: it has the settings that were chosen"
        )
    return path


def load_weights(model: nn.Module, loss: Loss, path: Path) -> None:
    """Give a model and its loss the weights of a checkpoint; put both into evaluation mode.

    A checkpoint of a stacked run has no state of the loss, which is that of its settings.

    Raises:
        UserError: the checkpoint is missing, damaged, unsafe, or of another model.
    """
    checkpoint = read_weights(path)
    give_weights(model, model_weights(checkpoint), path, ANEW)
    model.eval()
    if not isinstance(loss, nn.Module):
        return
    loss.eval()
    state = loss_weights(checkpoint)
    if state or own_parameters(loss):
        give_weights(loss, state, path, ANEW)


def from_checkpoint(model: Model) -> Model:
    """Build a model without the pretrained weights that it started from: its checkpoint has them all."""
    if not model.settings.get("pretrained"):
        return model
    stem = {"stem": "imagenet"} if model.settings.get("stem") == "auto" else {}
    record = {key: value for key, value in model.record.items() if key != "pretrained_match"}
    return Model({**record, "pretrained": False, **stem})
