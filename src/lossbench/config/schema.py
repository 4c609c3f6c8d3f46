"""What a configuration may say: its sections and single settings, parsed and checked together. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self

from lossbench.config.paired import Paired, seed_of
from lossbench.config.parse import READER, Node, nodes, optional, parse, part, section, setting
from lossbench.config.sections import (
    AUTO,
    SWITCH,
    Augment,
    Checkpoint,
    Data,
    EarlyStopping,
    Embeddings,
    Features,
    Head,
    Model,
    Optimizer,
    Trainer,
    WeightAverage,
)
from lossbench.config.values import (
    MOST,
    directory_name,
    either,
    one_of,
    real,
    validation_metric,
    whole,
)
from lossbench.errors import UserError
from lossbench.rundir.identity import identity_hash


def missing_key(key: str) -> UserError:
    """The error where a configuration lacks a key."""
    return UserError(f"the configuration lacks {key}, which every run has; leave ~{key} out")


REPLICATE = "replicate"
"""The key of a replicate's number: at the top of a record, and in its data set, whose splits it decides."""


def _plain(name: str, value: Any) -> Any:
    return value


@dataclass(frozen=True)
class RunConfig(Paired):
    """The resolved configuration of a run, parsed and checked.

    Args:
        record: the same as config.yaml holds it, in plain containers; the identity is computed from it.
        replicate: the number that decides the split and the seed; None where the seed alone was given.
        trial: whether it is one try of a search, which is never tested and has a seed of its own.
        invalid: why the loss is not defined for its hyper-parameters; a sweep records such a run and goes on.
    """

    record: Mapping[str, Any]
    seed: int = setting(whole(0, MOST))
    study: str = setting(directory_name)
    evaluate: Literal["last", "best"] = setting(one_of("last", "best"))
    keep_checkpoints: Literal["all", "last", "best", "none"] = setting(one_of("all", "last", "best", "none"))
    save_predictions: bool | Literal["auto"] = setting(AUTO)
    progress_bar: bool | Literal["auto"] = setting(AUTO)
    figures: bool | Literal["auto"] = setting(AUTO)
    log_every_n_steps: int = setting(whole(1))
    data: Data = part(Data.read)
    model: Model = part(Model.read)
    loss: Node = part(Node.read)
    optimizer: Optimizer = part(Optimizer.read)
    scheduler: Node = part(Node.read)
    augment: Augment | None = part(optional(Augment))
    head: Head | None = part(optional(Head))
    callbacks: Mapping[str, Node] = part(nodes({"ema": WeightAverage, "early_stopping": EarlyStopping}))
    yardsticks: Mapping[str, Node] = part(nodes())
    logger: Mapping[str, Node] = part(nodes())
    profiler: Node | None = part(optional(Node))
    trainer: Trainer = part(section(Trainer))
    checkpoint: Checkpoint = part(section(Checkpoint))
    monitor: str = setting(validation_metric)
    weights: Mapping[str, str] | None = part(_plain)
    fingerprint: str = part(_plain)
    features: Features = part(section(Features), Features())
    embeddings: Embeddings | None = part(Embeddings.read, None)
    loss_lr: float | None = setting(either(None, real(0, above=True, below=3.4e38)), None)
    replicate: int | None = setting(either(None, whole(0, MOST)), None)
    trial: bool = setting(SWITCH, False)
    invalid: str | None = None

    @cached_property
    def identity_hash(self) -> str:
        """The hash of what decides the run's numbers: 64 hexadecimal digits."""
        return identity_hash(self.record)

    @property
    def stages(self) -> tuple[str, ...]:
        """The splits that the trained model is measured on."""
        return ("val",) if self.trial else ("val", "test")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Parse a resolved configuration; what a data set allows, its source checks, and what a loss allows, `rules`.

        Raises:
            UserError: one line that names the key, what was found and what is allowed.
        """
        try:
            parsed = parse(cls, record, known={"record": record})
            _check_replicate(parsed)
            return parsed
        except KeyError as error:
            raise missing_key(error.args[0]) from error
        except ValueError as error:
            raise UserError(str(error)) from error


def _check_replicate(config: RunConfig) -> None:
    """Require one number for the replicate, its seed and its splits: a record may have been edited."""
    if (found := config.data.source.record.get(REPLICATE)) != config.replicate:
        raise ValueError(f"data.{REPLICATE}={found}, but replicate={config.replicate}: they are one number")
    if config.replicate is None and config.trial:
        raise ValueError("trial=true, but replicate=null: a trial is a run of a replicate")
    if config.replicate is not None and config.seed != seed_of(config.replicate, trial=config.trial):
        what = "trial of " if config.trial else ""
        raise ValueError(f"seed={config.seed}, but {what}replicate={config.replicate}, which decides the seed")


FOUND = ("weights", "fingerprint")
"""What is computed from files, whatever a record says."""
TYPED = tuple(each.name for each in fields(RunConfig) if READER in each.metadata and each.name not in FOUND)
"""The keys of a run that a user may type."""
