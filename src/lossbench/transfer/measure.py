"""One trained run on other data: its features, a linear probe on them, and how far the classes lie apart."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lossbench.data.module import DataModule
from lossbench.data.source import ONE_CLASS, SPLITS
from lossbench.meter import Meter
from lossbench.metrics.measure import metrics_of
from lossbench.metrics.scale import fit_scale
from lossbench.rundir.files import make_folder, write_atomic
from lossbench.rundir.provenance import code_state
from lossbench.rundir.transferred import Question, Transferred, finite, outputs_path
from lossbench.trained.loaded import LoadedRun
from lossbench.trained.overlap import count_trained_on
from lossbench.training.features.source import FeatureSource, features_of
from lossbench.transfer.body import body_of, require_fit
from lossbench.transfer.probe import Examples, LinearProbe, fit_probe
from lossbench.transfer.separation import class_separation

SHOWN_FROM = 20_000
"""Examples of which the progress is shown: fewer pass a network in seconds."""


class Probed(NamedTuple):
    """Logits (n, C) and targets (n,) of val and test, and the probe; None where the features are not finite."""

    logits: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    probe: LinearProbe | None


def measure_transfer(run: LoadedRun, other: DataModule, question: Question, weights: str) -> Transferred:
    """Fit a linear probe on a run's features of other data, and write what it finds beside the run.

    Args:
        run: done, with the weights that are asked.
        other: the data, of the draw that is asked.
        question: what is asked.
        weights: SHA-256 of the checkpoint.

    Raises:
        UserError: the network has no features, or does not take these data.
    """
    began = time.monotonic()
    body = body_of(run)
    require_fit(run, body, other)
    device = _device(run)
    body.to(device)
    data = _through_backbone(run, other)
    with Meter("computing features", sum(len(data.split(stage)) for stage in SPLITS), shown_from=SHOWN_FROM) as meter:
        examples = {stage: _examples(body, data, stage, device, meter) for stage in SPLITS}
    probed = probe_features(examples, other.source.num_classes)
    found = _found(run, other, question, examples, probed)
    answer = Transferred(
        **found,
        weights=weights,
        class_separation={"home": _at_home(run, body, device), "away": finite(class_separation(*examples["test"]))},
        seconds=round(time.monotonic() - began, 3),
        device=str(device),
        **code_state(),
    )
    _write(answer, probed, other, question.path(run.directory.path))
    return answer


def probe_features(examples: Mapping[str, Examples], num_classes: int) -> Probed:
    """Fit a probe on train and val, and put val and test through it.

    Args:
        examples: of train, val and test.
        num_classes: C.
    """
    targets = {stage: examples[stage].targets for stage in ("val", "test")}
    if not all(bool(each.features.isfinite().all()) for each in examples.values()):
        unknown = {stage: torch.full((len(target), num_classes), torch.nan) for stage, target in targets.items()}
        return Probed(unknown, targets, None)
    probe = fit_probe(examples["train"], examples["val"], num_classes)
    return Probed({stage: probe(examples[stage].features).float() for stage in targets}, targets, probe)


def _found(
    run: LoadedRun, other: DataModule, question: Question, examples: Mapping[str, Examples], probed: Probed
) -> dict[str, Any]:
    source, probe = other.source, probed.probe
    scale = fit_scale(probed.logits["val"], probed.targets["val"])
    metrics = {
        f"{stage}/{name}": metric
        for stage, logits in probed.logits.items()
        for name, metric in metrics_of(logits, probed.targets[stage], task=source.task, scale=scale).items()
    }
    return {
        "question": question.hash,
        "settings": question.settings,
        "data": question.name,
        "replicate": source.replicate,
        "folds": source.folds if isinstance(question.replicate, str) else None,
        "fingerprint": question.fingerprint,
        "checkpoint": question.checkpoint,
        "features": examples["test"].features.shape[1],
        "metrics": {name: finite(metric.value) for name, metric in metrics.items()},
        "half_width_95": {name: finite(metric.half_width) for name, metric in metrics.items()},
        "n": {stage: len(each.targets) for stage, each in examples.items()},
        "scale": scale,
        "classes": list(source.class_names),
        "trained_on": count_trained_on(run, other, "test"),
        "probe": {name: getattr(probe, name) for name in ("weight_decay", "at_edge", "iterations")} if probe else {},
        "pool": None if source.replicate is None else len(source.pool()),
        "groups": source.facts().get("groups"),
    }


def _device(run: LoadedRun) -> torch.device:
    on_gpu = run.directory.config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if on_gpu else "cpu")


def _through_backbone(run: LoadedRun, other: DataModule) -> DataModule:
    """Give the features of a frozen backbone in place of images, where the network was trained on such."""
    backbone, config = run.parts.backbone, run.directory.config
    if backbone is None or isinstance(other.source, FeatureSource):
        return other
    settings = replace(config.features, views=1)
    features = features_of(backbone, other, config.trainer.accelerator, settings)
    return DataModule(features, other.seed, other.batch_size)


def _examples(body: nn.Module, data: DataModule, stage: str, device: torch.device, meter: Meter | None) -> Examples:
    """The features of a split as evaluation sees it, float32 on the CPU."""
    features: list[Tensor] = []
    with torch.inference_mode():
        for batch in data.evaluation_loader(stage):
            inputs = data.device_transforms(batch.on(device), stage).inputs
            features.append(body.features(inputs).float().cpu())  # pyright: ignore[reportCallIssue] - asked for before
            if meter is not None:
                meter.add(len(inputs))
    return Examples(torch.cat(features).clone(), torch.from_numpy(data.split(stage).targets).long())


def _at_home(run: LoadedRun, body: nn.Module, device: torch.device) -> float | None:
    """The class separation on the run's own test split; None of other tasks."""
    data = run.parts.data
    if data.source.task not in ONE_CLASS or data.source.members > 1:
        return None
    return finite(class_separation(*_examples(body, data, "test", device, None)))


def _write(answer: Transferred, probed: Probed, other: DataModule, path: Path) -> None:
    """Write the outputs, then the answer, which says that they are there."""
    arrays: dict[str, np.ndarray] = {}
    for stage, logits in probed.logits.items():
        arrays |= {f"{stage}_outputs": logits.numpy(), f"{stage}_targets": probed.targets[stage].numpy()}
        arrays[f"{stage}_ids"] = other.split(stage).ids
    make_folder(path.parent)
    write_atomic(outputs_path(path), lambda file: np.savez(file, allow_pickle=False, **arrays))
    answer.write(path)
