"""predictions.npz: outputs, targets and sample ids, from which every metric can be computed again."""

import logging
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_atomic

if TYPE_CHECKING:
    from lossbench.data.module import DataModule
    from lossbench.training.evaluation import Evaluation

log = logging.getLogger(__name__)

HALVE_ABOVE = 50e6
DROP_ABOVE = 500e6


def save_predictions(
    run: RunDirectory, data: "DataModule", evaluations: Mapping[str, "Evaluation"], wanted: bool | str
) -> str:
    """Write predictions.npz with <split>_outputs, <split>_targets and <split>_ids.

    Args:
        run: the run's directory.
        data: has the sample ids.
        evaluations: split -> outputs and targets.
        wanted: True, False, or "auto": float16 above 50 MB, none above 500 MB.

    Returns:
        What was saved: "float32", "float16" or "none".
    """
    arrays, saved = arrays_of(data, evaluations, wanted)
    if arrays:
        write_atomic(run.predictions_path, lambda file: np.savez(file, allow_pickle=False, **arrays))
    return saved


def arrays_of(
    data: "DataModule", evaluations: Mapping[str, "Evaluation"], wanted: bool | str
) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of predictions.npz, none where they are not to be saved, and how the outputs are: see above."""
    arrays = _arrays(data, evaluations)
    size = sum(array.nbytes for array in arrays.values())
    if wanted is False or (wanted == "auto" and size > DROP_ABOVE):
        log.info("predictions not saved: save_predictions=%s, %.0f MB", wanted, size / 1e6)
        return {}, "none"
    if wanted == "auto" and size > HALVE_ABOVE:
        log.info("predictions saved as float16: %.0f MB in float32", size / 1e6)
        return {name: _halved(array) for name, array in arrays.items()}, "float16"
    return arrays, "float32"


def arrays_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of an .npz file."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _arrays(data: "DataModule", evaluations: Mapping[str, "Evaluation"]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for stage, (output, target) in evaluations.items():
        parts: dict[str, Any] = output._asdict() if hasattr(output, "_asdict") else {"outputs": output}  # pyright: ignore[reportAttributeAccessIssue]
        *_, last = parts  # what the classes are read from
        for name, part in parts.items():
            arrays[f"{stage}_{'outputs' if name == last else name}"] = part.numpy()
        arrays[f"{stage}_targets"], arrays[f"{stage}_ids"] = target.numpy(), data.split(stage).ids
    return arrays


def _halved(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16) if array.dtype == np.float32 else array
