"""Features of a frozen backbone: computed once, kept by content, shared by every loss, seed and sweep."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lossbench.data.images.source import ImageSource
from lossbench.data.module import DataModule
from lossbench.data.source import SPLITS, Source, Split
from lossbench.errors import UserError
from lossbench.rundir.files import write_atomic

VERSION = 1


@dataclass(frozen=True)
class FeatureSource(Source):
    """A data set of features in place of images.

    Args:
        given: split -> features, float32 (n, D), with the images' targets and ids.
        class_names: the images' classes.
    """

    given: Mapping[str, Split]
    class_names: tuple[str, ...]  # pyright: ignore[reportIncompatibleVariableOverride] - the images' own

    @property
    def input_shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the backbone decides it
        """(D,)."""
        return self.given["train"].inputs.shape[1:]

    def load(self) -> Mapping[str, Split]:
        """Give the features."""
        return self.given


def features_of(backbone: nn.Module, data: DataModule, accelerator: str) -> FeatureSource:
    """Compute, or read, the features of every image of a data set as evaluation sees it.

    Args:
        backbone: has `features`, inputs (b, 3, H, W) to (b, D); in evaluation mode.
        data: the images.
        accelerator: "cpu" computes there, anything else on a GPU where there is one.

    Returns:
        The data set of features.

    Raises:
        UserError: the data set has no images, or the features cannot be kept.
    """
    source = data.source
    if not isinstance(source, ImageSource):
        raise UserError("model.backbone makes features of images; this data set has none: use model=linear")
    device = torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    weights = digest_of(backbone)
    given = {}
    for name in SPLITS:
        split = source.splits[name]
        seen = (VERSION, weights, source.image_size, source.shorter_side, list(source.mean), list(source.std))
        key = sha256("\n".join((str(seen), *source.digests(split).tolist())).encode()).hexdigest()[:24]
        path = source.cache / "features" / f"{key}.npy"
        features = _read(path, len(split))
        if features is None:
            features = _compute(backbone.to(device), data, name, device)
            _write(path, features)
        given[name] = Split(features, split.targets, split.ids)
    return FeatureSource(given, tuple(source.class_names))


def digest_of(module: nn.Module) -> str:
    """Hash what a module computes with: its structure, weights and buffers."""
    digest = sha256(str(module).encode())
    for name, value in module.state_dict().items():
        if not name.startswith("head."):  # features do not pass it
            digest.update(
                f"{name} {value.dtype} {tuple(value.shape)}".encode()
                + value.detach().cpu().contiguous().numpy().tobytes()
            )
    return digest.hexdigest()


def _compute(backbone: nn.Module, data: DataModule, stage: str, device: torch.device) -> np.ndarray:
    from tqdm import tqdm

    whole = DataModule(data.source, data.seed, data.batch_size, data.num_workers, cache=data.cache)
    parts = []
    with torch.inference_mode():
        for batch in tqdm(whole.evaluation_loader(stage), f"features of {stage} images", disable=None, unit="batch"):
            batch = whole.device_transforms(type(batch)(*(part.to(device) for part in batch)), stage)
            parts.append(backbone.features(batch.inputs).float().cpu())  # pyright: ignore[reportCallIssue] - asked for when it was built
    backbone.cpu()
    return torch.cat(parts).numpy()


def _read(path: Path, n: int) -> np.ndarray | None:
    """Read kept features; None where there are none, or damaged ones, which are computed again."""
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return features if features.ndim == 2 and len(features) == n else None


def _write(path: Path, features: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror}); choose another place with data.cache_dir or LOSSBENCH_CACHE"
        ) from error
    write_atomic(path, lambda file: np.save(file, features, allow_pickle=False))
