"""What a finished run has found: result.json, shared by its writers and readers. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from lossbench.config.paired import Paired
from lossbench.config.plain import is_mapping
from lossbench.config.schema import RunConfig
from lossbench.hardware import peak_memory
from lossbench.rundir import last_and_best
from lossbench.rundir.files import write_json
from lossbench.rundir.flatten import flatten
from lossbench.rundir.kinds import NUMBER, SETTINGS, TEXT, TEXTS, WHOLE, Kind, by_name, check_kinds, list_of
from lossbench.rundir.provenance import code_state
from lossbench.rundir.reading import DamagedError, read_json

NOT_FACTS = ("status",)


@dataclass(frozen=True)
class Training:
    """How a run was trained.

    Args:
        engine: lightning or vectorized.
        device: such as cpu or cuda:0.
        steps: updates done.
        epochs: epochs done.
        seconds: wall-clock time of the run, over all its starts, each until its last checkpoint.
        resumed_at: the step from which the last start trained; 0 is the beginning.
        weights_sha256: hash of the pretrained weights it started from.
        stacked_runs: how many runs were trained in one stack; None where it was alone.
    """

    engine: str
    device: str
    steps: int
    epochs: int
    seconds: float
    resumed_at: int = 0
    weights_sha256: str | None = None
    stacked_runs: int | None = None


@dataclass(frozen=True)
class Measured:
    """What was measured of a trained run.

    Args:
        metrics: name such as test/accuracy -> value and half-width of its 95 % interval.
        n: split -> number of examples.
        scale: the factor on the logits that was fitted on the validation split; None where there is none.
        predictions: how they were saved: float32, float16 or none.
        classes: the names of the classes.
    """

    metrics: Mapping[str, tuple[float, float | None]]
    n: Mapping[str, int]
    scale: float | None
    predictions: str
    classes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Result(Paired):
    """What result.json holds; docs/run_directory.md explains every key.

    Args:
        replicate: the number that decided the split and the seed; None where the seed alone was given.
        facts: of the data set, such as its skipped images; in the file they stand beside the other keys.
    """

    seed: int
    replicate: int | None = None
    loss: str
    data: str = ""
    model: str = ""
    study: str = ""
    hash: str
    metrics: Mapping[str, float | None]
    half_width_95: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    n: Mapping[str, int]
    params: Mapping[str, Any]
    fingerprint: str
    steps: int = 0
    epochs: int = 0
    seconds: float = 0.0
    peak_memory_mb: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    git: Mapping[str, Any] = field(default_factory=dict[str, Any])
    command: Sequence[str] = field(default_factory=list[str])
    changed_on_resume: Sequence[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    engine: str = ""
    resumed_at: int = 0
    device: str = ""
    scale: float | None = None
    predictions: str = "none"
    classes: Sequence[str] = field(default_factory=list[str])
    weights_sha256: str | None = None
    stacked_runs: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(
        cls,
        config: RunConfig,
        status: Mapping[str, Any],
        training: Training,
        measured: Measured,
        facts: Mapping[str, Any],
        made_with: Mapping[str, Any] | None = None,
    ) -> Self:
        """Collect the result of a run.

        Args:
            config: the run's.
            status: what status.json holds: the command, and what has changed when the run was resumed.
            training: how it was trained.
            measured: what was measured.
            facts: of the data set.
            made_with: what `code_state` has given already: it takes some 20 ms.
        """
        return cls(
            seed=config.seed,
            replicate=config.replicate,
            loss=config.loss.name,
            data=config.data.name,
            model=config.model.name,
            study=config.study,
            hash=config.identity_hash,
            metrics={name: _finite(value) for name, (value, _) in measured.metrics.items()},
            half_width_95={name: _finite(width) for name, (_, width) in measured.metrics.items()},
            n=measured.n,
            params=flatten(config.record),
            fingerprint=config.fingerprint,
            steps=training.steps,
            epochs=training.epochs,
            seconds=round(training.seconds, 3),
            peak_memory_mb=round(peak_memory() / 1e6, 1),
            **(made_with or code_state()),
            command=status.get("command", []),
            changed_on_resume=status.get("changed_on_resume", []),
            engine=training.engine,
            resumed_at=training.resumed_at,
            device=training.device,
            scale=measured.scale,
            predictions=measured.predictions,
            classes=measured.classes,
            weights_sha256=training.weights_sha256,
            stacked_runs=training.stacked_runs,
            facts=facts,
        )

    @property
    def trial(self) -> bool:
        """Whether it is that of a trial, which is never tested."""
        return _is_trial(self.params)

    @property
    def folds(self) -> int | None:
        """How many replicates test on disjoint parts of the data; None where all test on the same examples."""
        return self.facts.get("folds")

    @property
    def design(self) -> Literal["folds", "published", "split"]:
        """How runs of one setting share test examples: disjoint folds, one published test part, or one split."""
        return "split" if self.replicate is None else "published" if self.folds is None else "folds"

    def to_json(self) -> dict[str, Any]:
        """Give what result.json holds; a run that was not stacked says nothing about stacks."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "facts"}
        if self.stacked_runs is None:
            del own["stacked_runs"]
        return {"status": "done", **own, **self.facts}

    def write(self, path: Path) -> None:
        """Write result.json whole or not at all."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a result.json.

        Raises:
            DamagedError: it is damaged, or another program wrote it.
        """
        found = read_json(path)
        _check(path, found)
        own = {name: value for name, value in found.items() if name in NAMES}
        facts = {name: value for name, value in found.items() if name not in (*NAMES, *NOT_FACTS)}
        return cls(**own, facts=facts)


def _is_trial(params: Mapping[str, Any]) -> bool:
    return params.get("trial") is True


def _finite(value: float | None) -> float | None:
    """The number; None where it is NaN or infinite, as of outputs that have overflowed."""
    return value if value is not None and math.isfinite(value) else None


NAMES = tuple(each.name for each in fields(Result) if each.name != "facts")
REQUIRED = tuple(each.name for each in fields(Result) if each.default is MISSING and each.default_factory is MISSING)
COUNTS = by_name(WHOLE, "numbers of examples by split")
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("data", "model", "loss", "study", "hash", "fingerprint", "engine", "device", "predictions"), TEXT),
    **dict.fromkeys(("seed", "steps", "epochs"), WHOLE),
    **dict.fromkeys(("resumed_at", "stacked_runs", "replicate", "groups"), WHOLE.or_null()),
    **dict.fromkeys(("scale", "peak_memory_mb"), NUMBER.or_null()),
    **dict.fromkeys(("skipped_images", "learnt_images", "learnt_rows"), COUNTS),
    "changes": SETTINGS,
    last_and_best.NAME: last_and_best.KIND,
    "memorisation": by_name(NUMBER, "shares of labels"),
    "columns": list_of(SETTINGS, "a list of encoded columns"),
    "train_counts": by_name(WHOLE, "numbers of training examples", "examples"),
    "class_counts": list_of(WHOLE, "a list with the training examples of each class"),
    "train_weights": by_name(NUMBER, "numbers > 0", "smallest", "largest"),
    **dict.fromkeys(("params", "git"), SETTINGS),
    "metrics": by_name(NUMBER.or_null(), "finite numbers"),
    "half_width_95": by_name(NUMBER.or_null(), "finite numbers"),
    "n": by_name(WHOLE, "numbers of examples of val and test", "val", "test"),
    "seconds": NUMBER,
    "versions": by_name(TEXT, "versions by package"),
    "command": TEXTS,
    "changed_on_resume": list_of(SETTINGS, "a list of changes"),
    "classes": list_of(TEXT, "a list of names"),
    "weights_sha256": TEXT.or_null(),
}
# A trial has numbers of the validation split alone.
TRIAL_KINDS: Mapping[str, Kind] = {**KINDS, "n": by_name(WHOLE, "the number of examples of val", "val")}


def _check(path: Path, found: Mapping[str, Any]) -> None:
    if missing := [name for name in REQUIRED if name not in found]:
        raise DamagedError(path, f"lacks {', '.join(missing)}")
    trial = is_mapping(found["params"]) and _is_trial(found["params"])
    check_kinds(path, found, TRIAL_KINDS if trial else KINDS)
