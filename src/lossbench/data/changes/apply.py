"""Splits with changes, in the order in which they build on each other; and what they say of themselves. Torch-free."""

from collections.abc import Mapping
from typing import Any

from lossbench.data.changes.draw import Draw
from lossbench.data.changes.few import few_line, with_few
from lossbench.data.changes.human import digest
from lossbench.data.changes.imbalance import imbalance_line, imbalance_record, with_imbalance
from lossbench.data.changes.matrix import matrix_of
from lossbench.data.changes.noise import noise_line, noise_record, with_noise
from lossbench.data.changes.settings import Changes
from lossbench.data.split import Split


def changed(splits: Mapping[str, Split], changes: Changes, draw: Draw) -> Mapping[str, Split]:
    """Change the examples of train and val; those of test stay as they are.

    Args:
        splits: train, val and test.
        changes: what is changed.
        draw: what random numbers, and the names of classes, come from.

    Returns:
        The same splits with fewer examples, or with other labels.

    Raises:
        ValueError: the data do not allow a change; names its setting.
    """
    if changes.images_per_class is not None:
        splits = with_few(splits, changes, draw)
    if changes.imbalance is not None:
        splits = with_imbalance(splits, changes, draw)
    return with_noise(splits, changes, draw) if changes.noisy else splits


def lines(splits: Mapping[str, Split], changes: Changes, names: tuple[str, ...]) -> list[str]:
    """Say what has been changed, a line each.

    Args:
        splits: with the changes.
        changes: what was changed.
        names: of the classes.
    """
    said = [] if changes.images_per_class is None else [few_line(splits, changes)]
    if changes.imbalance is not None:
        said.append(imbalance_line(splits, changes, names))
    return [*said, noise_line(splits, changes)] if changes.noisy else said


def record(splits: Mapping[str, Split], changes: Changes, names: tuple[str, ...]) -> dict[str, Any]:
    """Give what result.json holds of the changes, by name.

    Args:
        splits: with the changes.
        changes: what was changed.
        names: of the classes.
    """
    found: dict[str, Any] = {}
    if changes.imbalance is not None:
        found["imbalance"] = imbalance_record(splits, changes, names)
    if changes.noisy:
        found["label_noise"] = noise_record(splits, changes, names)
    return found


def content(changes: Changes, classes: int) -> bytes:
    """Give what the fingerprint of changed data holds of the files that changes come from; nothing where there is none.

    Args:
        changes: what is changed.
        classes: C.
    """
    if not changes.noisy or changes.noise not in ("matrix", "file"):
        return b""
    if changes.noise == "file":
        return digest(changes).encode()
    return matrix_of(changes, classes).astype("<f8").tobytes()
