"""What a run takes, from one update that is timed on a batch of its own; nothing is written."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lossbench.config.build import build
from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.data.batch import Batch
from lossbench.data.images.image_source import ImageSource
from lossbench.data.module import DataModule
from lossbench.training.assemble import build_data, losses_of, model_of
from lossbench.training.evaluation import Loss, raw
from lossbench.training.features.source import missing_features
from lossbench.training.features.work import forward, moved
from lossbench.training.machine import thread_count
from lossbench.training.modules import build_backbone

T = TypeVar("T")

REPEATS, SECONDS = 5, 0.3
"""An update is repeated so often, or for so long; the fastest counts."""
LOOP_SECONDS = 0.002
"""What the training loop takes for an update beside the work: docs/benchmarks.md."""
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Timed:
    """What was timed, and counted on the way.

    Args:
        update: seconds of an update, loading its batch included.
        example: seconds to evaluate an example.
        once: seconds to compute the features that are not computed yet, of all replicates; 0 without a backbone.
        parameters: numbers of the model.
        slots: numbers that the optimiser keeps for each parameter.
        outputs: numbers that the model gives for an example.
    """

    update: float
    example: float
    once: float
    parameters: int
    slots: int
    outputs: int


def time_run(config: RunConfig) -> Timed:
    """Build a run and time one update of it, on the device that it would train on."""
    source = build_source(config.data.source)
    data = build_data(config, source, cache="none")
    device = torch.device("cuda" if config.trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    data.split("train")  # is read once, not for each update
    batch, loading = _timed(lambda: _batch(config, data))
    once, shape = 0.0, None
    if config.model.backbone is not None:
        backbone = build_backbone(config.model.backbone, source.input_shape, source.num_classes)
        inputs = batch.inputs.to(device)
        with moved(backbone, device), torch.inference_mode():
            forward(backbone, inputs[:2])  # a device's first work takes longer
            features, seconds = _timed(lambda: forward(backbone, inputs))
        once, loading = missing_features(backbone, data, config.features) * (seconds + loading) / len(batch.inputs), 0.0
        batch, shape = batch._replace(inputs=features.clone()), tuple(features.shape[1:])
    model, loss = model_of(config, source, shape).to(device), losses_of(config, data)[0]
    return _time(config, model, loss, batch.on(device), loading / _workers(config), once)


def _batch(config: RunConfig, data: DataModule) -> Batch:
    """The first batch of this process, as training sees it."""
    positions = data.batches(world=config.trainer.processes).batch(0)
    images: Any = data.dataset("train", training=True)
    return data.device_transforms(images.__getitems__(positions), "train", step=(0, 0))


def _workers(config: RunConfig) -> int:
    given = config.data.num_workers
    return max(1, given) if isinstance(given, int) else torch.get_num_threads()


def _time(config: RunConfig, model: nn.Module, loss: Loss, batch: Batch, loading: float, once: float) -> Timed:
    parameters = [*model.parameters(), *_parameters_of(loss, batch.inputs.device)]
    optimizer: torch.optim.Optimizer = build(config.optimizer, "optimizer", partial=True)(parameters)
    parts, before = config.trainer.accumulate_grad_batches, torch.get_num_threads()
    torch.set_num_threads(thread_count(config, model, before))
    try:
        update = _fastest(lambda: _update(config, model, loss, optimizer, batch))
        model.eval()
        with torch.no_grad():
            example = _fastest(lambda: model(batch.inputs)) / len(batch.inputs)
            outputs = raw(model(batch.inputs[:2]))
    finally:
        torch.set_num_threads(before)
    size = sum(parameter.numel() for parameter in model.parameters())
    kept = sum(value.numel() for state in optimizer.state.values() for value in state.values() if _is_tensor(value))
    per_example = loading / len(batch.inputs) if isinstance(build_source(config.data.source), ImageSource) else 0.0
    return Timed(
        update=parts * (update + loading) + LOOP_SECONDS,
        example=example + per_example,
        once=once,
        parameters=size,
        slots=round(kept / max(size, 1)),
        outputs=outputs[0].numel(),
    )


def _parameters_of(loss: Loss, device: torch.device) -> list[nn.Parameter]:
    return list(loss.to(device).parameters()) if isinstance(loss, nn.Module) else []


def _update(config: RunConfig, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    kind = AUTOCAST.get(config.trainer.precision)
    optimizer.zero_grad()
    with torch.autocast(batch.inputs.device.type, dtype=kind, enabled=kind is not None):
        value = loss(model(batch.inputs), batch.target)
    value.backward()
    optimizer.step()


def _fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls; the first, which warms up, does not count where there are others."""
    times, began = list[float](), time.perf_counter()
    while len(times) < REPEATS and (len(times) < 2 or time.perf_counter() - began < SECONDS):
        times.append(_timed(work)[1])
    return min(times)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    _wait()  # for what was asked before; the first time a GPU is started, which takes longer than any update
    began = time.perf_counter()
    found = work()
    _wait()
    return found, time.perf_counter() - began


def _wait() -> None:
    """Wait until a GPU has done what it was asked to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0
