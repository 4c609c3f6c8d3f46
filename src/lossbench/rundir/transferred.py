"""What `lossbench transfer` leaves beside a run: transfer/<data>-<hash8>.json, and its outputs as .npz. Torch-free."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

from lossbench.errors import UserError
from lossbench.rundir.files import write_json
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import identity
from lossbench.rundir.kinds import NUMBER, SETTINGS, TEXT, TEXTS, WHOLE, Kind, by_name, check_kinds
from lossbench.rundir.reading import DamagedError, read_json

FOLDER = "transfer"
VERSION = 1
"""Raised when a fix changes what a probe finds, so that old results are not taken for new ones."""
OWN_REPLICATE = "own"
SHOWN_DIGITS = 8
WAY_OUT = "delete it and repeat lossbench transfer"


class Question(NamedTuple):
    """What is asked of a run, and of every other run of its comparison.

    Args:
        data: the other data set's settings, its replicate left out.
        fingerprint: of its examples and splits.
        replicate: which draw of them; "own" is that of the run's replicate, None the data set's own splits.
        checkpoint: whose weights, last or best.
    """

    data: Mapping[str, Any]
    fingerprint: str
    replicate: int | str | None
    checkpoint: str

    @property
    def name(self) -> str:
        """What the data set is called on the command line."""
        return str(self.data.get("name"))

    @property
    def settings(self) -> dict[str, Any]:
        """What tells it from other questions about a data set of this name; paths do not count."""
        drawn = {"replicate": self.replicate, "checkpoint": self.checkpoint}
        return {**flatten(identity({"data": self.data})["data"]), **drawn}

    @property
    def hash(self) -> str:
        """64 hexadecimal digits of SHA-256; paths and loaders' settings do not count."""
        data = identity({"data": self.data})["data"]
        asked = [VERSION, data, self.fingerprint, self.replicate, self.checkpoint]
        return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def path(self, run: Path) -> Path:
        """The file of a run's answer."""
        return run / FOLDER / f"{self.name}-{self.hash[:SHOWN_DIGITS]}.json"


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """What a linear probe on a run's features found on other data; docs/transfer.md explains every key.

    Args:
        question: hash of the `Question`.
        data: name of the other data set.
        replicate: which draw of its splits; None is its own.
        folds: how many of its replicates test on disjoint parts; None where the runs' probes share test examples.
        fingerprint: of its examples and splits.
        checkpoint: last or best.
        weights: SHA-256 of the checkpoint's file.
        features: D, how many.
        metrics: such as test/accuracy; None of outputs that are not finite.
        half_width_95: half-width of each one's 95 % interval.
        n: split -> examples.
        scale: the factor on the logits fitted on the validation split.
        classes: of the other data.
        trained_on: how many of the test examples the run was trained on.
        probe: weight_decay, at_edge and iterations; empty where the features are not finite.
        class_separation: home, on the run's own test split (None of other tasks), and away, on the other data's.
        pool: examples that replicates are drawn from; None without.
        groups: of examples that splits keep whole; None without.
        settings: flat, which tell the question from others about a data set of this name.
    """

    question: str
    data: str
    replicate: int | None
    folds: int | None
    fingerprint: str
    checkpoint: str
    weights: str
    features: int
    metrics: Mapping[str, float | None]
    half_width_95: Mapping[str, float | None]
    n: Mapping[str, int]
    scale: float
    classes: Sequence[str]
    trained_on: int
    probe: Mapping[str, Any]
    class_separation: Mapping[str, float | None]
    pool: int | None = None
    groups: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seconds: float = 0.0
    device: str = ""
    versions: Mapping[str, str]
    git: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an answer.

        Raises:
            DamagedError: it is damaged, or another program wrote it.
        """
        found = read_json(path, WAY_OUT)
        known = {each.name for each in fields(cls)}
        required = [each.name for each in fields(cls) if each.default is MISSING is each.default_factory]
        missing, unknown = [name for name in required if name not in found], sorted(found.keys() - known)
        if missing or unknown:
            what = f"lacks {', '.join(missing)}" if missing else f"has the unknown key {unknown[0]}"
            raise DamagedError(path, what, WAY_OUT)
        check_kinds(path, found, KINDS, WAY_OUT)
        return cls(**found)


KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("question", "data", "fingerprint", "checkpoint", "weights", "device"), TEXT),
    **dict.fromkeys(("replicate", "folds", "pool", "groups"), WHOLE.or_null()),
    **dict.fromkeys(("features", "trained_on"), WHOLE),
    **dict.fromkeys(("metrics", "half_width_95"), by_name(NUMBER.or_null(), "finite numbers")),
    **dict.fromkeys(("scale", "seconds"), NUMBER),
    **dict.fromkeys(("probe", "git", "settings"), SETTINGS),
    "n": by_name(WHOLE, "numbers of examples of train, val and test", "train", "val", "test"),
    "classes": TEXTS,
    "class_separation": by_name(NUMBER.or_null(), "numbers of home and away", "home", "away"),
    "versions": by_name(TEXT, "versions by package"),
}


def read_answer(question: Question, run: Path, weights: str) -> Transferred | None:
    """Read the answer of a run; None where there is none.

    Args:
        question: what was asked.
        run: its directory.
        weights: SHA-256 of the checkpoint that is asked now.

    Raises:
        DamagedError: the file is damaged.
        UserError: it is the answer of other weights.
    """
    path = question.path(run)
    if not path.exists():
        return None
    found = Transferred.read(path)
    if (found.question, found.weights) != (question.hash, weights):
        raise UserError(
            f"{path} was made from other weights than {question.checkpoint}.ckpt holds now, and is never overwritten; "
            "move it away and repeat the command"
        )
    return found


def answers_of(run: Path) -> Iterator[tuple[Path, Transferred]]:
    """Read all answers of a run.

    Raises:
        DamagedError: one of them is damaged.
    """
    for path in sorted((run / FOLDER).glob("*.json")):
        yield path, Transferred.read(path)


def has_answers(run: Path) -> bool:
    """Whether a run was probed on any other data."""
    return any((run / FOLDER).glob("*.json"))


def outputs_path(answer: Path) -> Path:
    """The file with the probe's outputs, targets and ids: <split>_outputs and so on, as in predictions.npz."""
    return answer.with_suffix(".npz")


def finite(value: float | None) -> float | None:
    """The number; None where it is NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None
