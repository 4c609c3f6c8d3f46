"""What a trained run predicts for new examples, as a value and in files. Torch-free."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lossbench.escaping import csv_text

COLUMNS = ("rank", "class", "probability", "reason")


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of an example, the best first; or the reason why it cannot be read.

    Args:
        name: the path of an image, the position in an array, or the number of a row, from 1.
        classes: their names; none where no label of several is above 0.5.
        probabilities: of these classes, in [0, 1].
        reason: "" for an example that was read.
    """

    name: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    reason: str = ""


def as_csv(predictions: Iterable[Prediction], what: str = "image") -> bytes:
    """Write a row for each class named: what was classified, rank, class, probability, reason."""
    rows: list[Sequence[object]] = [(what, *COLUMNS)]
    for found in predictions:
        best = zip(found.classes, found.probabilities, strict=True)
        rows += [(found.name, rank, name, f"{p:.6g}", "") for rank, (name, p) in enumerate(best, 1)]
        if not found.classes:
            rows.append((found.name, "", "", "", found.reason))
    return csv_text(rows).encode("utf-8", "surrogateescape")


def as_json(predictions: Iterable[Prediction], what: str = "image") -> bytes:
    """Write a list with the classes and probabilities of each example, the best first, or why it cannot be read."""
    found = [{what: each.name, **_entry(each)} for each in predictions]
    return (json.dumps(found, indent=2, ensure_ascii=True) + "\n").encode()


def _entry(found: Prediction) -> dict[str, object]:
    if found.reason:
        return {"reason": found.reason}
    best = zip(found.classes, found.probabilities, strict=True)
    return {"classes": [{"class": name, "probability": round(p, 7)} for name, p in best]}
