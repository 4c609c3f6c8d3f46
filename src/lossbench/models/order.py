"""A file's tensors taken for a model's by their order, where names differ and shapes agree."""

from collections.abc import Mapping, Sequence

from torch import Tensor

KINDS = ("weight", "bias", "running_mean", "running_var")
"""Last parts of names that must agree where both tensors have one of them: their shapes are often the same."""


def in_order(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a file's tensors the names that a model has at the same place.

    Args:
        wanted: the model's tensors by name, in its order.
        given: the file's; a classifier (a matrix and a vector at most) may stand behind those of the model.

    Returns:
        The file's tensors by the model's names, without BatchNorm's counters of batches.

    Raises:
        ValueError: a shape or kind differs, the file ends too early, or more than a classifier is left; a clause.
    """
    ours, theirs = counted(wanted), counted(given)
    if len(theirs) < len(ours):
        raise ValueError(f"it has {len(theirs)} tensors, and the model has {len(ours)}")
    for name, other in zip(ours, theirs, strict=False):
        if wanted[name].shape != given[other].shape or _kinds_differ(name, other):
            raise ValueError(
                f"in order, {name} {tuple(wanted[name].shape)} stands against {other} {tuple(given[other].shape)}"
            )
    rest = theirs[len(ours) :]
    if sorted(given[name].ndim for name in rest) not in ([], [2], [1, 2]):
        raise ValueError(f"it has {len(rest)} tensors more than the model ({', '.join(rest[:3])}), and no classifier")
    return {name: given[other] for name, other in zip(ours, theirs, strict=False)}


def counted(tensors: Mapping[str, Tensor]) -> Sequence[str]:
    """The names of tensors; counters of BatchNorm's batches are left out, which some files lack."""
    return [name for name in tensors if not name.endswith("num_batches_tracked")]


def _kinds_differ(name: str, other: str) -> bool:
    kinds = {name.rpartition(".")[2], other.rpartition(".")[2]}
    return len(kinds) == 2 and kinds <= {*KINDS}
