"""What a file of weights has in common with a model that it does not fit: in a clause, and as a table."""

from collections.abc import Mapping
from itertools import zip_longest

from torch import Tensor

from lossbench.models.order import counted, in_order

SHOWN = 3  # names in the clause


def describe(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Say how many tensors of a model a file has by name and shape, and whether they agree in order.

    Args:
        wanted: the model's tensors by name.
        given: the file's.

    Returns:
        A clause for the end of an error message.
    """
    ours, theirs = _shapes(wanted), _shapes(given)
    named = sum(theirs.get(name) == shape for name, shape in ours.items())
    ordered = sum(a == b for a, b in zip(ours.values(), theirs.values(), strict=False))
    counts = f"the file has {len(theirs)} tensors, and {named} of the model's {len(ours)} by name and shape"
    if named < len(ours) and _match_in_order(wanted, given):
        return (
            f"{counts}; in the file's order all {ordered} shapes agree, so it is probably the same network under other "
            f"names ({_pairs(ours, theirs)}): pretrained_match=order, beside pretrained, takes it (docs/images.md)"
        )
    return (
        f"{counts}; in the file's order {ordered} shapes agree ({_pairs(ours, theirs, differing=True)}): choose the "
        "model that the file is of; HYDRA_FULL_ERROR=1 shows all"
    )


def table(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Put the tensors of a model and of a file side by side, in order; = marks equal shapes."""
    rows = [("model", "shape", "file", "shape", "")]
    for ours, theirs in zip_longest(_shapes(wanted).items(), _shapes(given).items(), fillvalue=("", ())):
        rows.append((ours[0], _shown(ours), theirs[0], _shown(theirs), "=" if ours[1] == theirs[1] else "differs"))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _match_in_order(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> bool:
    try:
        in_order(wanted, given)
    except ValueError:
        return False
    return True


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensors[name].shape) for name in counted(tensors)}


def _pairs(
    ours: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]], *, differing: bool = False
) -> str:
    """The first pairs in order, of those that differ with their shapes."""
    pairs = list(zip(ours.items(), theirs.items(), strict=False))
    if differing:
        pairs = [pair for pair in pairs if pair[0][1] != pair[1][1]]
        return ", ".join(f"{a} {shape} against {b} {other}" for (a, shape), (b, other) in pairs[:SHOWN]) or "it ends"
    return ", ".join(f"{a} = {b}" for (a, _), (b, _) in pairs[:SHOWN])


def _shown(entry: tuple[str, tuple[int, ...]]) -> str:
    return " x ".join(map(str, entry[1])) if entry[0] else ""
