"""A trained run as a function from new inputs to class probabilities; its own data are not needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossbench.config.facts import build_source, weights_of
from lossbench.config.verify import verify_config
from lossbench.data.device_transforms import Normalise
from lossbench.data.images.image_source import ImageSource
from lossbench.data.source import OF_CLASSES, Source
from lossbench.data.tables.encoding import encoded_names
from lossbench.errors import UserError
from lossbench.models.probe import Probe
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.finished import finished
from lossbench.rundir.result import Result
from lossbench.trained.restore import checkpoint_path, from_checkpoint, load_weights
from lossbench.training.class_settings import data_free
from lossbench.training.evaluation import at_progress
from lossbench.training.modules import build_backbone, build_model, seeded


class Probabilities(nn.Module):
    """A model, and what its loss and its fitted scale make of the output: p = softmax(scale * logits).

    Of labels any number of which may hold, each has its own probability: p = sigmoid(logits).

    Args:
        model: inputs (batch, ...) to what the loss takes.
        loss: has `logits`, which gives (batch, C).
        scale: the factor that was fitted on validation data.
        task: classification, ordinal or multi_label.
    """

    def __init__(self, model: nn.Module, loss: Any, scale: float, task: str) -> None:
        super().__init__()
        self.model, self.loss, self.scale, self.task = model, at_progress(loss, 1.0), scale, task

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs to probabilities (batch, C)."""
        if self.task == "multi_label":
            return self.model(inputs).sigmoid()
        return torch.softmax(self.loss.logits(self.model(inputs)) * self.scale, 1)


@dataclass(frozen=True)
class Predictor:
    """A trained run, ready for new inputs.

    Args:
        run: its directory.
        result: what it found.
        source: the data set's settings.
        network: inputs as the model takes them to probabilities (batch, C).
    """

    run: RunDirectory
    result: Result
    source: Source
    network: Probabilities

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes, in the order of the probabilities."""
        return self.result.classes

    @property
    def task(self) -> str:
        """classification, ordinal of classes in order, or multi_label where any number of labels may hold."""
        return self.network.task

    @property
    def columns(self) -> Sequence[Mapping[str, Any]]:
        """How the columns of a table become numbers; none where the run was on something else."""
        return self.result.facts.get("columns", ())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as the model takes it."""
        return input_shape(self.source, self.result)

    @property
    def sees_images(self) -> bool:
        """Whether its inputs are images, which are resized and cropped before the model sees them."""
        return isinstance(self.source, ImageSource)

    def of_images(self, images: Tensor) -> np.ndarray:
        """Give the class probabilities of prepared images.

        Args:
            images: uint8 (batch, side, side, 3), resized and cropped as evaluation does.
        """
        assert isinstance(self.source, ImageSource)
        return self.of(Normalise(torch.tensor(self.source.mean), torch.tensor(self.source.std))(images))

    def of(self, inputs: Tensor) -> np.ndarray:
        """Give the class probabilities (batch, C) of inputs as the model takes them."""
        with torch.inference_mode():
            return self.network(inputs).numpy()


def load_predictor(run: RunDirectory, checkpoint: str | None = None) -> Predictor:
    """Load a finished classifier.

    Args:
        run: a run directory.
        checkpoint: last or best; None takes the weights that were tested.

    Raises:
        UserError: the run is not done, its configuration was edited, it does not classify, or its checkpoint is
            missing.
    """
    result = finished(run)
    verify_config(run)
    source = build_source(run.config.data.source)
    require_classifier(run, source)
    model, loss = _model_and_loss(run, source, result, checkpoint_path(run, checkpoint))
    return predictor_of(run, result, source, model, loss)


def predictor_of(run: RunDirectory, result: Result, source: Source, model: nn.Module, loss: Any) -> Predictor:
    """Put a trained model and its loss together; see `Predictor` and `Probabilities`."""
    task = result.facts.get("task", source.task)
    return Predictor(run, result, source, Probabilities(model, loss, result.scale or 1.0, task).eval())


def require_classifier(run: RunDirectory, source: Source) -> None:
    """Refuse a run for another task.

    Raises:
        UserError: names the task.
    """
    if source.task not in OF_CLASSES:
        name = run.config.data.name
        raise UserError(f"{run.path} was trained on data={name} for {source.task}: classifiers alone predict classes")


def input_shape(source: Source, result: Result) -> tuple[int, ...]:
    """The shape of one example; of a table by what the result says, since its file may be gone."""
    columns = result.facts.get("columns")
    return source.input_shape if columns is None else (len(encoded_names(columns)),)


def _model_and_loss(run: RunDirectory, source: Source, result: Result, checkpoint: Path) -> tuple[nn.Module, Any]:
    """The trained model from inputs to its output, and its loss."""
    config, classes, shape = run.config, len(result.classes), input_shape(source, result)
    weights, built = weights_of(config.model), replace(config, model=from_checkpoint(config.model))
    loss = seeded(config.seed, "loss", data_free(config.loss), "loss", {"num_classes": classes})
    if built.model.backbone is None:
        initial = source.initial_weight(config.seed) if "weight" in config.model.settings else None
        model = build_model(built, shape, classes, initial)
        load_weights(model, loss, checkpoint)
        return model, loss
    if weights != config.weights:  # a checkpoint holds the layer behind the backbone alone
        raise UserError(
            f"the pretrained weights of {checkpoint.parents[1]} have changed since it was planned "
            f"({config.weights}, now {weights})"
        )
    backbone: Any = build_backbone(built.model.backbone, shape, classes)
    head = build_model(built, (backbone.num_features,), classes)
    load_weights(head, loss, checkpoint)
    return Probe(backbone, head, config.features.dtype), loss
