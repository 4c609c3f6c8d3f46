"""What a configuration may say: frozen dataclasses whose fields hold the rules of their values. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

from lossbench.config.paired import Paired, seed_of
from lossbench.config.parse import READER, Node, nodes, optional, parse, part, section, setting
from lossbench.config.values import (
    MOST,
    Rule,
    betas,
    crop_areas,
    directory_name,
    either,
    one_of,
    real,
    validation_metric,
    whole,
    widths,
)
from lossbench.errors import UserError


def missing_key(key: str) -> UserError:
    """The error where a configuration lacks a key."""
    return UserError(f"the configuration lacks {key}, which every run has; leave ~{key} out")


REPLICATE = "replicate"
"""The key of a replicate's number: at the top of a record, and in its data set, whose splits it decides."""
SWITCH = one_of(True, False)
AUTO = one_of("auto", True, False)


@dataclass(frozen=True)
class Trainer:
    """Where and how long a run trains; docs/configuration.md explains every setting."""

    accelerator: Literal["auto", "cpu", "gpu"] = setting(one_of("auto", "cpu", "gpu"))
    devices: int = setting(whole(1, 128, "each is a process of one machine"))
    num_nodes: int = setting(whole(1, 10_000, "no cluster has more machines"))
    strategy: str = setting(one_of("auto", "ddp", "ddp_find_unused_parameters_true"))
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = setting(one_of("32-true", "bf16-mixed", "16-mixed"))
    max_epochs: int = setting(whole(1))
    max_steps: int = setting(either(-1, whole(1)))
    gradient_clip_val: float | None = setting(either(None, real(0, above=True)))
    accumulate_grad_batches: int = setting(whole(1))
    sync_batchnorm: bool = setting(SWITCH)
    channels_last: bool = setting(SWITCH)
    compile: bool = setting(SWITCH)
    deterministic: bool | Literal["warn"] = setting(one_of(True, False, "warn"))
    threads: int | Literal["auto"] = setting(either("auto", whole(1, 4096, "no machine has more cores")))

    @property
    def processes(self) -> int:
        """How many processes the run takes."""
        return self.devices * self.num_nodes


@dataclass(frozen=True)
class Checkpoint:
    """How often a run saves."""

    every_n_epochs: int = setting(whole(1))
    every_n_steps: int | None = setting(either(None, whole(1)))


@dataclass(frozen=True)
class Data:
    """A data set and how it is loaded.

    Args:
        source: the data set.
    """

    source: Node
    batch_size: int = setting(whole(1))
    num_workers: int | Literal["auto"] = setting(either("auto", whole(0, 512, "each is a process")), 0)
    cache: Literal["none", "disk", "gpu"] = setting(one_of("none", "disk", "gpu"), "none")
    steps_per_epoch: int | None = setting(either(None, whole(1)), None)
    overfit_batches: int = setting(whole(0), 0)
    limit_eval_batches: int | None = setting(either(None, whole(1)), None)
    sampler: Literal["balanced"] | None = setting(either(None, one_of("balanced")), None)

    @classmethod
    def read(cls, name: str, value: Any) -> Self:
        """Read the loaders' settings; all others are the data set's."""
        whole_node = Node.read(name, value)
        own = {key: item for key, item in whole_node.record.items() if key not in LOADER}
        return parse(cls, value, f"{name}.", {"source": Node(own)})

    @property
    def name(self) -> str:
        """What the data set is called on the command line."""
        return self.source.name

    @property
    def loader(self) -> dict[str, Any]:
        """The loaders' settings, by name."""
        return {name: getattr(self, name) for name in LOADER}


LOADER = tuple(each.name for each in fields(Data) if each.name != "source")


@dataclass(frozen=True)
class Augment(Node):
    """How training examples are varied."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "flip": real(0, top=1),
        "erasing": real(0, top=1),
        "mixup": real(0),
        "cutmix": real(0),
        "label_smoothing": real(0, below=1),
    }


@dataclass(frozen=True)
class Model(Node):
    """The model; with a backbone it learns on the features of another one, which is frozen."""

    rules: ClassVar[Mapping[str, Rule]] = {"hidden": widths, "dropout": real(0, below=1), "bias": SWITCH}

    @property
    def backbone(self) -> Node | None:
        """The frozen model that computes the features."""
        return Node.read("model.backbone", self.record["backbone"]) if "backbone" in self.record else None

    @property
    def trained(self) -> Node:
        """What is trained: the model without its backbone."""
        return Node({key: value for key, value in self.record.items() if key != "backbone"})


@dataclass(frozen=True)
class Head(Node):
    """What a loss adds behind the model."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "num_features": either(None, whole(1, 100_000, "its weights take memory")),
        "centers": whole(1, 1000, "each class has so many vectors"),
    }


@dataclass(frozen=True)
class Features:
    """How the features of a frozen backbone are computed."""

    views: int = setting(whole(1, 1000, "each is computed of every training image"), 1)
    scale: tuple[float, float] = setting(crop_areas, (0.35, 1.0))
    flip: float = setting(real(0, top=1), 0.5)
    dtype: Literal["float32", "float16", "bfloat16"] = setting(one_of("float32", "float16", "bfloat16"), "float32")


@dataclass(frozen=True)
class Optimizer(Node):
    """The optimiser."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "lr": real(0, above=True, below=3.4e38),
        "momentum": real(0, below=1),
        "weight_decay": real(0),
        "eps": real(0, above=True),
        "nesterov": SWITCH,
        "betas": betas,
    }

    @classmethod
    def read(cls, name: str, value: Any) -> Self:
        """Read the node; a learning rate is never left to torch."""
        node = super().read(name, value)
        if "lr" not in node.record:
            raise KeyError(f"{name}.lr")
        return node

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.settings["lr"]


@dataclass(frozen=True)
class WeightAverage(Node):
    """The callback that averages the weights."""

    rules: ClassVar[Mapping[str, Rule]] = {"decay": real(0, below=1)}


@dataclass(frozen=True)
class EarlyStopping(Node):
    """The callback that ends a run which improves no more."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "mode": one_of("min", "max"),
        "patience": whole(1),
        "min_delta": real(0),
    }


@dataclass(frozen=True)
class Embeddings:
    """Class embeddings from a file.

    Args:
        path: the file.
        sha256: the hash of its content.
    """

    path: str
    sha256: str

    @classmethod
    def read(cls, name: str, value: Any) -> "Embeddings | None":
        """Read what `embeddings_of` has found; None for one-hot."""
        return None if value is None else cls(value["path"], value["sha256"])


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
